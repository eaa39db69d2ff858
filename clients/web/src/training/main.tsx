import "../style/training.css";
import { start } from "../shell/start";
import { Training } from "./Training";

start(<Training />);
