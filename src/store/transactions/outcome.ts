/** What a step on the tree comes to, for whoever takes it. */

/** 'changed': it is not what was read any more; 'session': the lock is lost with its session. */
export type Refused = { readonly ok: false; readonly reason: 'locked' | 'gone' | 'changed' | 'session' };
export type Outcome = { readonly ok: true } | Refused;

export const refused = (reason: Refused['reason']): Refused => ({ ok: false, reason });
export const done: Outcome = { ok: true };

/** A conflict this often in a row is no race any more. */
export const mostAttempts = 10;
