/** How each page begins. */
import { render, type VNode } from "preact";
import { takeKeyFromAddress } from "../base/key";
import { watchMe } from "../state/me";
import { watchServer } from "../state/server";
import "../state/theme";
import "../style/base.css";

export function start(page: VNode): void {
  takeKeyFromAddress();
  render(page, document.body);
  watchServer();
  watchMe();
}
