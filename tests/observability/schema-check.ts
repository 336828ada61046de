import { join, resolve } from 'node:path';
import ts from 'typescript';

const FOLDER = import.meta.dirname;
const CONFIG = resolve(FOLDER, '../tsconfig.json');

/**
 * Has the compiler compare JSON with GanDashboard, written out as a literal: then a property that Grafana does not know is an
 * error, as is a wrong type, a value that an enum lacks, and a required property that is missing.
 * @param texts JSON by name
 * @returns what does not fit, with the name and the line
 */
export function schemaErrors(texts: Readonly<Record<string, string>>): string[] {
  const parsed = ts.getParsedCommandLineOfConfigFile(
    CONFIG,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (found) => {
        throw new Error(text(found));
      },
    },
  );
  if (parsed === undefined) throw new Error(`${CONFIG} was expected`);
  const sources = new Map(
    Object.entries(texts).map(([name, json], i) => [
      join(FOLDER, `checked-${i}.ts`),
      { name, source: sourceOf(json) },
    ]),
  );
  const options = { ...parsed.options, noEmit: true };
  const plain = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...plain,
    fileExists: (path) => sources.has(path) || plain.fileExists(path),
    readFile: (path) => sources.get(path)?.source ?? plain.readFile(path),
    getSourceFile: (path, language, ...rest) => {
      const own = sources.get(path);
      return own === undefined
        ? plain.getSourceFile(path, language, ...rest)
        : ts.createSourceFile(path, own.source, language);
    },
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  return [...sources].flatMap(([path, { name }]) => {
    const file = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return found.map((one) => `${name}:${lineOf(one)}: ${text(one)}`);
  });
}

/** On the line before the JSON, so that lines differ by one only. */
const sourceOf = (json: string): string =>
  `import type { GanDashboard } from './grafana-schema.js'; export const checked: GanDashboard =\n${json};\n`;

const lineOf = ({ file, start }: ts.Diagnostic): number =>
  file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line;

const text = ({ messageText }: ts.Diagnostic): string => ts.flattenDiagnosticMessageText(messageText, '\n');
