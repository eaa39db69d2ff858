import { start } from "../shell/start";
import { Shell } from "../shell/Shell";

start(<Shell page="label">{null}</Shell>);
