/** The system prompt of the open conversation. */
import { conversation } from "./history";

export function changeSystem(system: string): void {
  conversation.value = { ...conversation.value, system };
}
