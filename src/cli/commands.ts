/** All commands of `nodepool`, in the order of its help. A new command is a file in `commands/` and a line here. */
import { alienImageListCommand } from './commands/alien-image-list.ts';
import { completionCommand } from './commands/completion.ts';
import { configDiffCommand } from './commands/config-diff.ts';
import { configSchemaCommand } from './commands/config-schema.ts';
import { configValidateCommand } from './commands/config-validate.ts';
import { coordinatorCommand } from './commands/coordinator.ts';
import { coordinatorCertsCommand } from './commands/coordinator-certs.ts';
import { coordinatorExportCommand } from './commands/coordinator-export.ts';
import { coordinatorImportCommand } from './commands/coordinator-import.ts';
import { deleteCommand } from './commands/delete.ts';
import { dibImageDeleteCommand } from './commands/dib-image-delete.ts';
import { dibImageListCommand } from './commands/dib-image-list.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eraseCommand } from './commands/erase.ts';
import { explainCommand } from './commands/explain.ts';
import { exportImageDataCommand } from './commands/export-image-data.ts';
import { fakeCloudCommand } from './commands/fake-cloud.ts';
import { holdCommand } from './commands/hold.ts';
import { imageBuildCommand } from './commands/image-build.ts';
import { imageDeleteCommand } from './commands/image-delete.ts';
import { imageListCommand } from './commands/image-list.ts';
import { imagePauseCommand } from './commands/image-pause.ts';
import { imageStatusCommand } from './commands/image-status.ts';
import { imageUnpauseCommand } from './commands/image-unpause.ts';
import { importImageDataCommand } from './commands/import-image-data.ts';
import { infoCommand } from './commands/info.ts';
import { launcherCommand } from './commands/launcher.ts';
import { launcherListCommand } from './commands/launcher-list.ts';
import { listCommand } from './commands/list.ts';
import { requestCommand } from './commands/request.ts';
import { requestListCommand } from './commands/request-list.ts';
import { upCommand } from './commands/up.ts';
import { watchCommand } from './commands/watch.ts';
import type { CommandDeclaration } from './commands/declaration.ts';

export const commands: readonly CommandDeclaration[] = [
  upCommand,
  launcherCommand,
  coordinatorCommand,
  coordinatorCertsCommand,
  fakeCloudCommand,
  coordinatorExportCommand,
  coordinatorImportCommand,
  listCommand,
  requestListCommand,
  launcherListCommand,
  infoCommand,
  watchCommand,
  imageListCommand,
  dibImageListCommand,
  imageStatusCommand,
  alienImageListCommand,
  imageBuildCommand,
  imagePauseCommand,
  imageUnpauseCommand,
  dibImageDeleteCommand,
  imageDeleteCommand,
  exportImageDataCommand,
  importImageDataCommand,
  deleteCommand,
  holdCommand,
  eraseCommand,
  explainCommand,
  doctorCommand,
  requestCommand,
  configValidateCommand,
  configDiffCommand,
  configSchemaCommand,
  completionCommand,
];
