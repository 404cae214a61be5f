/** The remedies of `pg-herald why` in the console: they name its buttons and pages instead of commands. */
import type { OperatorActions } from '../../operate/remedy.ts';

/** Where an operator finds each action. */
export const buttons: OperatorActions = {
  retry: () => 'press "Retry"',
  releaseOrCancel: () => 'press "Release", or "Cancel"',
  cancel: () => 'press "Cancel"',
  resume: (method) => `Press "Resume${method === '*' ? ' everything' : ''}" on the overview`,
  enableEndpoint: () => 'press "Enable" on the page of its endpoint',
  turnOnFor: ({ template }) => `turn ${template} on for this recipient, on the page "Recipients"`,
  unsuppress: () => 'remove the address on the page "Suppressions"',
  enableTemplate: (template) => `Press "Enable" on the page of ${template}`,
  enableMethod: (method) => `Enable ${method} with "pg-herald methods enable ${method}"`,
  addEndpoint: () => 'Add an endpoint that selects it on the page "Endpoints"',
};
