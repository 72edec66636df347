// `bigo chat`: a conversation, at a terminal or through a pipe (one line, one message). Never stores what was said.
import { createInterface, type Interface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type ChatMessage, streamChat } from './chat-stream.ts';
import { addClientOptions, type ClientFlags, withClient } from './client-flags.ts';
import type { Client } from './client.ts';
import { type ChatCommand, parseChatLine } from './core/chat-line.ts';
import { defaultModel, findModel, readModels } from './core/model-list.ts';
import { CliError, EXIT, usageError } from './exit.ts';

interface ChatFlags extends ClientFlags {
  readonly system?: string;
}

export function define(command: Command, app: App): void {
  command.argument('[model]', 'the model (default: the alias `default`, else the first one)');
  addClientOptions(command)
    .option('--system <text>', 'system message')
    .addHelpText('after', HELP)
    .action((model: string | undefined, flags: ChatFlags) =>
      withClient(app, flags, client => startChat(app, client, { model, flags })),
    );
}

const HELP = `
Examples:
  $ bigo chat
  $ bigo chat llama3.2:1b --system "Answer in one sentence."
  $ printf 'Hello\\nAnd in French?\\n' | bigo chat

Inside: /help, /system TEXT, /model NAME, /clear, /bye (or Ctrl-D).
Ctrl-C stops an answer; at the prompt it ends the chat.`;

const messagesMax = 2000;

async function startChat(
  app: App,
  client: Client,
  { model, flags }: { model: string | undefined; flags: ChatFlags },
): Promise<void> {
  const known = readModels(await client.json({ path: '/api/tags' }));
  const chosen = model ?? defaultModel(known);
  if (chosen === undefined)
    throw new CliError('there is no model here', { next: 'Add one: bigo pull llama3.2:1b' });
  if (findModel(known, chosen) === undefined) {
    throw usageError(
      `model '${chosen}' is not here`,
      `\`bigo ls\` shows what is; \`bigo pull ${chosen}\` adds it.`,
    );
  }
  const chat = new Chat(app, client, { model: chosen, system: flags.system });
  await chat.run();
}

class Chat {
  readonly #app: App;
  readonly #client: Client;
  readonly #lines: Interface;
  readonly #isPerson: boolean;
  #model: string;
  #system: string | undefined;
  #messages: ChatMessage[] = [];
  #answering: AbortController | undefined;

  constructor(app: App, client: Client, start: { model: string; system: string | undefined }) {
    this.#app = app;
    this.#client = client;
    this.#model = start.model;
    this.#system = start.system;
    this.#isPerson = process.stdin.isTTY === true && app.terminal.isTty;
    this.#lines = createInterface({
      input: process.stdin,
      ...(this.#isPerson ? { output: process.stdout, prompt: '>>> ' } : {}),
    });
  }

  async run(): Promise<void> {
    this.#app.interrupted().addEventListener('abort', () => this.#lines.close(), { once: true });
    this.#lines.on('SIGINT', () => this.#interrupt());
    if (this.#isPerson) this.#app.terminal.tell(`${this.#model} · /help for help, /bye to end`);
    this.#ask();
    for await (const line of this.#lines) {
      if ((await this.#take(parseChatLine(line))) === 'end') break;
      this.#ask();
    }
    this.#lines.close();
  }

  #ask(): void {
    if (this.#isPerson) this.#lines.prompt();
  }

  #interrupt(): void {
    if (this.#answering !== undefined) return this.#answering.abort(new Error('stopped by the person'));
    process.exitCode = EXIT.interrupted;
    this.#lines.close();
  }

  async #take(command: ChatCommand): Promise<'go on' | 'end'> {
    switch (command.type) {
      case 'nothing':
        return 'go on';
      case 'bye':
        return 'end';
      case 'say':
        await this.#say(command.text);
        return 'go on';
      case 'clear':
        this.#messages = [];
        this.#tell('The conversation is empty again.');
        return 'go on';
      case 'system':
        this.#system = command.text === '' ? undefined : command.text;
        this.#tell(
          this.#system === undefined ? 'There is no system message now.' : 'The system message is set.',
        );
        return 'go on';
      case 'model':
        return this.#change(command.name);
      case 'help':
        this.#tell(COMMANDS_HELP);
        return 'go on';
      case 'unknown':
        this.#tell(`${command.name} is not a command. ${COMMANDS_HELP}`);
        return 'go on';
    }
  }

  #tell(text: string): void {
    this.#app.terminal.tell(text);
  }

  async #change(name: string): Promise<'go on'> {
    const known = readModels(await this.#client.json({ path: '/api/tags' }));
    const isHere = findModel(known, name) !== undefined;
    if (isHere) this.#model = name;
    this.#tell(isHere ? `Now talking to ${name}.` : `Model '${name}' is not here. It stays ${this.#model}.`);
    return 'go on';
  }

  async #say(text: string): Promise<void> {
    this.#messages = [...this.#messages.slice(-messagesMax), { role: 'user', content: text }];
    const system: ChatMessage[] =
      this.#system === undefined ? [] : [{ role: 'system', content: this.#system }];
    this.#answering = new AbortController();
    try {
      const end = await streamChat(this.#app, this.#client, {
        model: this.#model,
        messages: [...system, ...this.#messages],
        signal: this.#answering.signal,
      });
      this.#messages.push({ role: 'assistant', content: end.text });
      this.#app.terminal.print('');
    } catch (error) {
      this.#forgetLast(error);
    } finally {
      this.#answering = undefined;
    }
  }

  /** A question without an answer is taken back, so that the next one is not misread. Through a pipe an error ends the chat. */
  #forgetLast(error: unknown): void {
    this.#messages.pop();
    if (this.#answering?.signal.aborted === true) return this.#app.terminal.print('');
    if (!this.#isPerson || !(error instanceof CliError)) throw error;
    this.#tell(`${this.#app.terminal.paintErr('red', 'error:')} ${error.message}`);
  }
}

const COMMANDS_HELP =
  '/system TEXT sets the system message, /model NAME changes the model, /clear begins anew, /bye ends.';
