import "../style/playground.css";
import { start } from "../shell/start";
import { Playground } from "./Playground";

start(<Playground />);
