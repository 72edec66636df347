// The contract suite against the fake Ollama, directly and through the gateway. Never more than one model is loaded.
import { runContract } from './suite.ts';

await runContract('fake');
