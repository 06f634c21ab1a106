/** The embedded server, usable on its own. */
export { type Coordinator, type CoordinatorLimits, type CoordinatorOptions, startCoordinator } from './coordinator.ts';
