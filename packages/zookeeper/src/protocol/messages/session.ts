/** The messages that are about the session itself: sign of life, and its end. */
import { opCode } from '../constants.ts';
import { type Message, noRequest, noResponse } from './message.ts';

export const pingMessage: Message<void, void> = { op: opCode.ping, repeatable: true, ...noRequest, ...noResponse };

export const closeSessionMessage: Message<void, void> = {
  op: opCode.closeSession,
  repeatable: false,
  ...noRequest,
  ...noResponse,
};
