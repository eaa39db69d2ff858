import "../style/label.css";
import { start } from "../shell/start";
import { Label } from "./Label";

start(<Label />);
