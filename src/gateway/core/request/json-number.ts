// The grammar of a JSON number (RFC 8259 §6) as a state machine over its bytes. Never computes the number.

export const NUMBER_OVER = -1;
export const NOT_A_NUMBER = -2;

const MINUS = 0;
const DOT = 1;
const E = 2;
const E_SIGN = 3;
// A number may end after these.
const ZERO = 4;
const INT = 5;
const FRACTION = 6;
const EXPONENT = 7;

/** `byte` is a minus or a digit. */
export function firstInNumber(byte: number): number {
  if (byte === 0x2d) return MINUS;
  return byte === 0x30 ? ZERO : INT;
}

/** The state after `byte`; NUMBER_OVER when the number ended before it. */
export function nextInNumber(state: number, byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return afterDigit(state, byte);
  if (byte === 0x2e && (state === ZERO || state === INT)) return DOT;
  const exponentMayFollow = state === ZERO || state === INT || state === FRACTION;
  if ((byte === 0x65 || byte === 0x45) && exponentMayFollow) return E;
  if ((byte === 0x2b || byte === 0x2d) && state === E) return E_SIGN;
  return state >= ZERO ? NUMBER_OVER : NOT_A_NUMBER;
}

function afterDigit(state: number, byte: number): number {
  switch (state) {
    case MINUS:
      return byte === 0x30 ? ZERO : INT;
    case ZERO:
      return NOT_A_NUMBER;
    case INT:
      return INT;
    case DOT:
    case FRACTION:
      return FRACTION;
    default:
      return EXPONENT;
  }
}
