/** Keys that the drivers of virtual machines share, each with its type, default and meaning. */
import type { z } from 'zod';
import { bool, int, list, str } from '../../config/schema.ts';
import { connectionKeys, diskimageName, imagePause, interpreterKeys } from '../common-keys.ts';

/** How nodes of an image are reached, and with what on them. */
export const imageConnectionKeys = { ...connectionKeys, ...interpreterKeys };

/** The beginning of an image that the cloud has: its name, and its user. */
export const cloudImageKeys = (user = 'User that can log in.') => ({
  name: str().describe('Name for labels.'),
  username: str().describe(user),
});

/** The beginning of an image to upload. */
export const diskimageKeys = () => ({
  name: diskimageName(),
  username: str().optional().describe("User that can log in. Default: the image's."),
});

/** Whether an image is uploaded, and how nodes of it are reached. */
export const uploadKeys = () => ({ pause: imagePause(), ...imageConnectionKeys });

/** The image of a label, for clouds where the uploaded one goes before the other. */
export const labelImageKeys = () => ({
  'cloud-image': str().optional().describe('One of the cloud-images of the provider.'),
  diskimage: str().optional().describe('One of the diskimages of the provider; goes before cloud-image.'),
});

/** Most nodes of a pool, where the daemons demand it (see requireMaxServers). */
export const requiredMaxServersKey = () => ({
  'max-servers': int().optional().describe('Most nodes of the pool; 0 or less disables it. Required by the daemons.'),
});

/** How nodes of a pool are reached, where the provider has the default. */
export const poolAccessKeys = () => ({
  'use-internal-ip': bool().optional().describe("Reach nodes by their private address. Default: the provider's."),
  'host-key-checking': bool().optional().describe("Get the host keys before a node is ready. Default: the provider's."),
});

/** The defaults of poolAccessKeys. */
export const providerAccessKeys = () => ({
  'use-internal-ip': bool().default(false).describe('Default of pools: reach nodes by their private address.'),
  'host-key-checking': bool().default(true).describe('Default of pools: get the host keys before a node is ready.'),
});

export const cloudImagesKey = <T extends z.ZodType>(cloudImage: T) => ({
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
});

/** `note`: what else is to be known about uploads to this cloud. */
export const diskimagesKey = <T extends z.ZodType>(diskimage: T, note = '') => ({
  diskimages: list(diskimage).default([]).describe(`Images to upload, of those at the top level${note}.`),
});
