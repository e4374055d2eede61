/** `lockstep/testing`: an application under test, as it runs in production but in the process of the test. */
export { accountsContract, type AccountsUnderTest, type ContractCheck } from './accounts-contract.ts'
export { startTestApp, type TestApp, type TestAppOptions } from './start-test-app.ts'
export type { TestAnswer, TestRequest } from './send.ts'
export type { TestUser } from './sign-in.ts'
