import type {Reporter, TestModule} from 'vitest/node';

/** Closes a run with the one line that machines read: `N passed, N failed`. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = {passed: 0, failed: unhandledErrors.length, skipped: 0};
    const unsteady: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state !== 'pending') count[state]++;
        if (test.diagnostic()?.flaky) unsteady.push(`${module.relativeModuleId}: ${test.fullName}`);
      }
      if (module.errors().length > 0) count.failed++;
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    if (unsteady.length > 0) console.log(`\npassed only when tried again:\n  ${unsteady.join('\n  ')}`);
    console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
  }
}
