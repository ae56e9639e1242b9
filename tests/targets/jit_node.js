// node --perf-basic-prof jit_node.js [SECONDS]: 70 % in hotJs, 30 % in coldJs.
'use strict';

const PIECE = 20000;

function hotJs(x) {
  for (let i = 0; i < PIECE; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  return x;
}

function coldJs(x) {
  for (let i = 0; i < PIECE; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  return x + 1 | 0;
}

function serveJs(state) {
  state.seed = (Math.imul(state.seed, 1664525) + 1013904223) >>> 0;
  state.x = (state.seed >>> 16) % 100 < 70 ? hotJs(state.x | 1) : coldJs(state.x | 1);
}

const seconds = Math.min(Number(process.argv[2]) || 60, 300);
const end = Date.now() + seconds * 1000;
const state = { seed: 12345, x: 1 };

console.log(JSON.stringify({ pid: process.pid, shares: { hotJs: 0.70, coldJs: 0.30 },
  stacks: [['hotJs', 'serveJs']] }));
while (Date.now() < end) {
  for (let i = 0; i < 100; i++) serveJs(state);
}
