// `npm run docs`: writes the documents that come from the code. Never touches the ones that people write.
import { generatedDocuments, writeDocuments } from './check/generated.ts';

await writeDocuments();
for (const document of generatedDocuments) console.log(`wrote ${document.path}`);
