/** Something that the reader has to put right; its message is all that they need to see. */
export class SetUpProblem extends Error {}
