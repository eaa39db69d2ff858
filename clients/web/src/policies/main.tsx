import "../style/policies.css";
import { start } from "../shell/start";
import { Policies } from "./Policies";

start(<Policies />);
