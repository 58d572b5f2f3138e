/** Converts a model while it is read: makes each of its files that is not there yet, and the manifest at the end. */

import type { ConversionPart, ConversionPlan, EngineEvent } from '../engine/generated.js';
import type { HashedFile } from './files.js';

export type Bindings = Pick<typeof import('inf-llava-bindings'), 'hub_place' | 'hub_folder' | 'Conversion' | 'StopFlag'>;
export type Conversion = InstanceType<Bindings['Conversion']>;

/** Where the files go that are made. */
export interface Sink {
  /** The hash of a file that is there already. */
  has(part: ConversionPart): Promise<string | null>;
  /** @returns its hash */
  put(part: ConversionPart, bytes: Uint8Array<ArrayBuffer>): Promise<string>;
}

/** Bytes that are read, and bytes that are made. */
export type Done = readonly [read: number, made: number];

export const sumOf = (parts: readonly ConversionPart[]): Done => [sum(parts, 'source_bytes'), sum(parts, 'bytes')];
const sum = (parts: readonly ConversionPart[], key: 'bytes' | 'source_bytes') => parts.reduce((bytes, part) => bytes + part[key], 0);

/** What is not there yet. */
export async function missingParts({ files, shards }: ConversionPlan, sink: Sink): Promise<ConversionPart[]> {
  const parts = [...files, ...shards];
  const there = await Promise.all(parts.map((part) => sink.has(part)));
  return parts.filter((_, at) => there[at] === null);
}

/** @returns the manifest, which is not put anywhere */
export async function convert(
  conversion: Conversion,
  { files, shards }: ConversionPlan,
  sink: Sink,
  { StopFlag, signal, report }: Pick<Bindings, 'StopFlag'> & { signal: AbortSignal; report: (done: Done) => void },
): Promise<Uint8Array<ArrayBuffer>> {
  const [filesRead, filesMade] = sumOf(files);
  const hashed = async (part: ConversionPart, make: () => Promise<Uint8Array<ArrayBuffer>>): Promise<HashedFile> => {
    const sha256 = (await sink.has(part)) ?? (await sink.put(part, await make()));
    return { file: part.file, bytes: part.bytes, sha256 };
  };
  const beside: HashedFile[] = [];
  for (const part of files) {
    beside.push(await hashed(part, () => conversion.file(part.file)));
    report(sumOf(files.slice(0, beside.length)));
  }
  const made: HashedFile[] = [];
  let read = filesRead;
  const onEvent = (event: EngineEvent) => {
    if (event.type !== 'progress') return;
    const now = event.done;
    if (event.phase === 'download') read = filesRead + now;
    else report([read, filesMade + now]);
  };
  for (const part of shards) {
    const index = made.length;
    made.push(await hashed(part, () => stoppable(StopFlag, signal, (stop) => conversion.shard(index, onEvent, stop))));
  }
  report(sumOf([...files, ...shards]));
  return conversion.manifest(made, beside);
}

/** Runs `work` with a flag that is set when the signal aborts. */
async function stoppable<T>(StopFlag: Bindings['StopFlag'], signal: AbortSignal, work: (stop: InstanceType<Bindings['StopFlag']>) => Promise<T>): Promise<T> {
  const flag = new StopFlag();
  const stop = () => flag.stop();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await work(flag);
  } finally {
    signal.removeEventListener('abort', stop);
    flag.free();
  }
}
