/** The columns of builds, uploads and images: keys and headers are those of the Python commands. */
import type { ImageBuild, ImageUpload } from '../records/image.ts';
import type { BuildId, ImageStatus, UploadId } from '../store/transactions/images.ts';
import { age, type Column } from './table.ts';

export interface ListedBuild extends BuildId {
  readonly record: ImageBuild;
  /** Of the whole image. */
  readonly paused: boolean;
}

export interface ListedUpload extends UploadId {
  readonly record: ImageUpload;
}

/** To programs the time it counts from, in whole seconds; null where there is none. */
function ageColumn<T>(key: string, header: string, nowMs: number, secondsOf: (row: T) => number | null): Column<T> {
  const whole = (row: T) => {
    const seconds = secondsOf(row);
    return seconds === null ? null : Math.trunc(seconds);
  };
  return {
    key,
    header,
    cell: whole,
    shown: (row) => {
      const seconds = whole(row);
      return seconds === null ? null : age(seconds, nowMs);
    },
  };
}

export function buildColumns(nowMs: number): readonly Column<ListedBuild>[] {
  return [
    { key: 'id', header: 'ID', cell: (b) => `${b.image}-${b.build}` },
    { key: 'image', header: 'Image', cell: (b) => b.image },
    { key: 'builder', header: 'Builder', cell: (b) => b.record.builder },
    { key: 'formats', header: 'Formats', cell: (b) => b.record.formats },
    { key: 'state', header: 'State', cell: (b) => (b.paused ? 'paused' : b.record.state) },
    ageColumn('age', 'Age', nowMs, (b) => b.record.stateTime),
  ];
}

export function uploadColumns(nowMs: number): readonly Column<ListedUpload>[] {
  return [
    { key: 'id', header: 'Build ID', cell: (u) => u.build },
    { key: 'upload_id', header: 'Upload ID', cell: (u) => u.upload },
    { key: 'provider', header: 'Provider', cell: (u) => u.provider },
    { key: 'image', header: 'Image', cell: (u) => u.image },
    { key: 'external_name', header: 'Provider Image Name', cell: (u) => u.record.externalName },
    { key: 'external_id', header: 'Provider Image ID', cell: (u) => u.record.externalId },
    { key: 'state', header: 'State', cell: (u) => u.record.state },
    ageColumn('age', 'Age', nowMs, (u) => u.record.stateTime),
  ];
}

export function imageStatusColumns(nowMs: number): readonly Column<ImageStatus>[] {
  return [
    { key: 'image', header: 'Image', cell: (s) => s.image },
    { key: 'paused', header: 'Paused', cell: (s) => s.paused },
    { key: 'build_request', header: 'Build Request', cell: (s) => s.request?.state ?? null },
    ageColumn('build_request_age', 'Build Request Age', nowMs, (s) => s.request && s.request.sinceMs / 1000),
  ];
}
