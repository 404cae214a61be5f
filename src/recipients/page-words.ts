/** The words of the pages for recipients. */

/** The words of one language. `{group}`, `{app}` and `{method}` are filled in. */
export interface PageWords {
  readonly acknowledge: string;
  readonly acknowledgeQuestion: string;
  readonly acknowledged: string;
  readonly acknowledgeText: string;
  readonly unsubscribe: string;
  readonly question: string;
  readonly questionText: string;
  readonly done: string;
  readonly doneText: string;
  readonly resubscribe: string;
  readonly again: string;
  readonly againText: string;
  /** Of a template that became mandatory after its message was sent. */
  readonly always: string;
  readonly alwaysText: string;
  readonly choose: string;
  readonly chooseText: string;
  readonly nothing: string;
  readonly alwaysOn: string;
  readonly partly: string;
  readonly save: string;
  readonly saved: string;
  readonly allOff: string;
  /** Why nothing is sent although it is turned on. */
  readonly stopped: string;
  readonly allow: string;
  readonly tooOld: string;
  readonly tooOldText: string;
  readonly broken: string;
  readonly brokenText: string;
  readonly away: string;
  readonly awayText: string;
  readonly home: string;
  readonly email: string;
  readonly inApplication: string;
  readonly textMessage: string;
}
