// A short list of models worth a try, kept by hand. Never asks a registry: what is there is known when it is pulled.

export const CATALOGUE = {
  success: true,
  source: 'file',
  note: 'Kept with BigO; sizes are about right. Any other name of the Ollama library can be pulled, too.',
  models: [
    { name: 'smollm2:135m', sizeBytes: 271e6, about: 'tiny; to try things out on any machine' },
    { name: 'gemma3:270m', sizeBytes: 292e6, about: 'tiny, many languages' },
    { name: 'qwen3:0.6b', sizeBytes: 523e6, about: 'small, thinks before it answers' },
    { name: 'llama3.2:1b', sizeBytes: 1.3e9, about: 'small and fast, good for short tasks' },
    { name: 'qwen2.5-coder:1.5b', sizeBytes: 986e6, about: 'completes code on small machines' },
    { name: 'qwen2.5:3b', sizeBytes: 1.9e9, about: 'general use on a CPU' },
    { name: 'phi4-mini', sizeBytes: 2.5e9, about: 'general use, good at reasoning for its size' },
    { name: 'qwen3:8b', sizeBytes: 5.2e9, about: 'general use with a GPU of 8 GB' },
    { name: 'qwen2.5-coder:7b', sizeBytes: 4.7e9, about: 'code with a GPU of 8 GB' },
    { name: 'nomic-embed-text', sizeBytes: 274e6, about: 'embeddings' },
  ],
} as const;
