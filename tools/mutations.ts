// Deliberate faults: one exact edit of one file each. All of them would lose requests, skip a step, leave a release
// without a way out, or forget something. Each has to be noticed by the simulation, or by the tests named.

export interface Mutation {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Where the simulation begins, for a fault that shows once in many thousand worlds. */
  readonly seed?: number
  /** Test files that notice it, where the simulation does not run the code. */
  readonly tests?: readonly string[]
}

const journalTests = ['test/conformance/journal.test.ts']

export const mutations: readonly Mutation[] = [
  // --- drain and capacity ---------------------------------------------------------------------------------
  {
    name: 'skip the drain before the old version ends',
    file: 'src/engine/steps/start.ts',
    find: 'const answer = drainRule(rotationOf(tick.snapshot, step.service, step.slot), step.drainMs)\n  return answer.mayEnd',
    replace:
      'const answer = drainRule(rotationOf(tick.snapshot, step.service, step.slot), step.drainMs)\n  return answer.mayEnd || step.slot !== ""',
  },
  {
    name: 'drain rule: what still gets traffic may end',
    file: 'src/domain/drain.ts',
    find: "return { mayEnd: false, waitMs: null, reason: 'it still receives traffic' }",
    replace: "return { mayEnd: true, waitMs: 0, reason: 'it still receives traffic' }",
    tests: ['test/engine/invariants.test.ts'],
  },
  {
    name: 'drain rule: no settle time',
    file: 'src/domain/drain.ts',
    find: 'export const SETTLE_MS = 200',
    replace: 'export const SETTLE_MS = 0',
  },
  {
    name: 'drain rule: requests in flight do not count',
    file: 'src/domain/drain.ts',
    find: "if (inFlight === 0) return { mayEnd: true, waitMs: 0, reason: 'nothing is in flight' }",
    replace: "if (inFlight >= 0) return { mayEnd: true, waitMs: 0, reason: 'nothing is in flight' }",
  },
  {
    name: 'the drain step does not wait',
    file: 'src/engine/steps/arrival.ts',
    find: "if (answer.mayEnd) return { kind: 'arrived', reason: answer.reason }",
    replace: "if (step.drainMs >= 0) return { kind: 'arrived', reason: answer.reason }",
  },
  {
    name: 'capacity rule: everything can carry everything',
    file: 'src/domain/capacity.ts',
    find: 'if (readyIn(slot) < needed &&',
    replace: 'if (readyIn(slot) < 0 &&',
  },
  {
    name: 'capacity rule: one ready replica is enough for any load',
    file: 'src/domain/capacity.ts',
    find: 'const needed = Math.max(1, Math.ceil(',
    replace: 'const needed = Math.min(1, Math.ceil(',
  },
  {
    name: 'capacity rule: a dead old version keeps the new one from taking over',
    file: 'src/domain/capacity.ts',
    find: 'if (!grows && targetReady > 0) continue',
    replace: 'if (!grows && targetReady > 1_000) continue',
  },
  // --- readiness, proof, smoke tests ----------------------------------------------------------------------
  {
    name: 'promote before all replicas are ready',
    file: 'src/engine/steps/start.ts',
    find: 'readyReplicas(facts, revision.id) >= replicas &&',
    replace: 'readyReplicas(facts, revision.id) >= 0 &&',
  },
  {
    name: 'do not wait until the load balancer follows',
    file: 'src/engine/steps/arrival.ts',
    find: 'if (route && route.generation >= generation && sameShares(route.shares, step.shares)) {',
    replace: 'if (route && generation >= 0) {',
  },
  {
    name: 'a retired slot counts as empty at once',
    file: 'src/engine/steps/arrival.ts',
    find: 'if (!slot || (slot.desiredReplicas === 0 && slot.replicas.length === 0)) {',
    replace: 'if (!slot || slot.replicas.length >= 0) {',
  },
  {
    name: 'failed smoke tests count as passed',
    file: 'src/runner/perform.ts',
    find: 'const failed = results.filter((result) => !result.passed)',
    replace: 'const failed = results.filter((result) => result.passed === null)',
  },
  {
    name: 'roll over a slot and flip without looking',
    file: 'src/engine/steps/arrival.ts',
    find: 'if (isRunning(tick.snapshot, service, placement)) {',
    replace: "if (step.kind === 'roll' || isRunning(tick.snapshot, service, placement)) {",
  },
  // --- what is seen ---------------------------------------------------------------------------------------
  {
    name: 'decide on stale snapshots',
    file: 'src/engine/steps/blocked.ts',
    find: 'if (snapshot.complete && snapshot.observedAgoMs <= STALE_MS) return null',
    replace: 'if (snapshot.complete) return null',
  },
  {
    name: 'decide on partial snapshots',
    file: 'src/engine/steps/blocked.ts',
    find: 'if (snapshot.complete && snapshot.observedAgoMs <= STALE_MS) return null',
    replace: 'if (snapshot.observedAgoMs <= STALE_MS) return null',
  },
  {
    name: 'use a snapshot that is older than the one before',
    file: 'src/runner/inputs.ts',
    find: 'if (now - seen.observedAgoMs >= seenAtMs - ROUNDING_MS) {',
    replace: 'if (now >= 0) {',
  },
  {
    name: 'use a snapshot from before the last write',
    file: 'src/runner/inputs.ts',
    find: '          forget(result.effect)\n',
    replace: '',
  },
  {
    name: 'a slow append does not make a snapshot old',
    file: 'src/runner/run-release.ts',
    find: 'const observedAgoMs = next.snapshot.observedAgoMs + clock.monotonicMs() - agedAtMs',
    replace: 'const observedAgoMs = next.snapshot.observedAgoMs + 0 * agedAtMs',
  },
  {
    name: 'pass an analysis while the platform cannot be seen',
    file: 'src/engine/steps/arrival.ts',
    find: 'const missing = timeIsOver ? unseen(tick) : null',
    replace: 'const missing = step.monitorMs < 0 ? unseen(tick) : null',
  },
  {
    name: 'go back to a slot that was warm before it was ended',
    file: 'src/runner/inputs.ts',
    find: 'const services = withoutSlotOf(snapshot.services, effect)',
    replace: 'const services = effect.kind === null ? withoutSlotOf(snapshot.services, effect) : snapshot.services',
    seed: 116_166,
  },
  // --- judging --------------------------------------------------------------------------------------------
  {
    name: 'ignore a failing verdict while waiting',
    file: 'src/engine/decide.ts',
    find: "if (release.direction === 'back' || !isJudged(release) ||",
    replace: "if (release.wait || release.direction === 'back' || !isJudged(release) ||",
  },
  {
    name: 'ignore a failing verdict in the keep time',
    file: 'src/engine/decide.ts',
    find: "if (release.direction === 'back' || !isJudged(release) ||",
    replace: "if (isReleased(release) || release.direction === 'back' || !isJudged(release) ||",
  },
  {
    name: 'advance on an unknown verdict',
    file: 'src/engine/steps/arrival.ts',
    find: "if (timeIsOver && verdict?.kind === 'healthy') {",
    replace: "if (timeIsOver && verdict?.kind !== 'unhealthy') {",
  },
  {
    name: 'advance on health although there is traffic',
    file: 'src/domain/verdict.ts',
    find: "return kind === 'unknown' && rule === 'minimum-requests' && (evidence?.units ?? 0) === 0",
    replace: "return kind === 'unknown' && (rule !== 'minimum-requests' || (evidence?.units ?? 0) >= 0)",
  },
  {
    name: 'advance on health although the policy is to hold',
    file: 'src/engine/steps/arrival.ts',
    find: "    isAnswering(verdict) &&\n    unknown.onNoTraffic === 'advance-on-health'\n",
    replace: '    isAnswering(verdict)\n',
  },
  {
    name: 'go back on an unknown verdict although the policy is to hold',
    file: 'src/engine/steps/arrival.ts',
    find: "watch.waitedMs >= deadlineMs && unknown.onUnknown === 'rollback' &&",
    replace: 'watch.waitedMs >= deadlineMs &&',
  },
  {
    name: 'count a gap in the metrics as monitor time',
    file: 'src/engine/watch.ts',
    find: 'monitorMs: same.monitorMs + (monitored ? elapsed : 0),',
    replace: "monitorMs: same.monitorMs + (step?.kind === 'analyse' ? elapsed : 0),",
  },
  {
    name: 'count the sleep of the runner as monitor time',
    file: 'src/engine/watch.ts',
    find: 'const elapsed = Math.min(tick.elapsedMs, LONGEST_TICK_MS)',
    replace: 'const elapsed = tick.elapsedMs',
  },
  {
    name: 'count time before a step as time of the step',
    file: 'src/runner/run-release.ts',
    find: 'if (changesStep.includes(record.body.kind)) inputs.stepChanged()',
    replace: 'if (changesStep.length === 0) inputs.stepChanged()',
  },
  {
    name: 'count a blocked start as time of the step',
    file: 'src/engine/watch.ts',
    find: "const phase = release.current ? '' : 'before '",
    replace: "const phase = release.current ? '' : ''",
  },
  {
    name: 'take the monitor time of another step from the checkpoint',
    file: 'src/runner/recover.ts',
    find: 'const watch = saved?.key === watchKey(state) ? { ...noWatch, ...saved } : noWatch',
    replace: 'const watch = saved ? { ...noWatch, ...saved, key: watchKey(state) } : noWatch',
  },
  {
    name: 'silent metrics are as good as quiet ones',
    file: 'src/runner/judging.ts',
    find: 'const hasData = nowMs() - answeredAtMs < SILENT_MS',
    replace: 'const hasData = nowMs() - answeredAtMs < SILENT_MS || nowMs() > 0',
  },
  {
    name: 'a source that never answered counts as silent only after a while',
    file: 'src/runner/judging.ts',
    find: 'answeredAtMs: Number.NEGATIVE_INFINITY,',
    replace: 'answeredAtMs: nowMs(),',
  },
  {
    name: 'the judge takes silence for quiet',
    file: 'src/runner/judging.ts',
    find: '(read ? nowMs() - session.readAtMs : 0)',
    replace: '(nowMs() - session.readAtMs)',
    seed: 113_237,
  },
  // --- journal, intent, epochs ----------------------------------------------------------------------------
  {
    name: 'act before the append',
    file: 'src/runner/run-release.ts',
    find: 'options.probe?.(`before append ${kinds}`)\n',
    replace:
      'options.probe?.(`before append ${kinds}`)\n    for (const { body } of decisions) if (state.release) background.follow(state, body)\n',
  },
  {
    name: 'a runner that has nothing to write never notices another one',
    file: 'src/runner/inputs.ts',
    find: 'return newer.length > 0',
    replace: 'return newer.length < 0',
    seed: 134_254,
  },
  {
    name: 'forget to stamp the epoch on a take-over',
    file: 'src/runner/recover.ts',
    find: '      await platform.workloads.takeEpoch(epoch)\n      await platform.traffic.takeEpoch(epoch)\n',
    replace: '',
  },
  {
    name: 'look before the epoch is stamped',
    file: 'src/runner/recover.ts',
    find: '    const stamped = await stamp(platform, epoch, clock, signal)\n',
    replace: "    void stamp(platform, epoch, clock, signal)\n    const stamped = 'stamped' as string\n",
  },
  {
    name: 'crash when another one takes over during the take-over',
    file: 'src/runner/recover.ts',
    find: "if (error.code === 'STALE_EPOCH') return 'superseded'",
    replace: "if (error.code === 'STALE_EPOCH') throw error",
  },
  {
    name: 'crash when the journal refuses a record',
    file: 'src/runner/run-release.ts',
    find: 'if (!(error instanceof OperatingError)) throw error\n',
    replace: 'if (error) throw error\n',
  },
  {
    name: 'crash when the journal refuses a checkpoint',
    file: 'src/runner/recover.ts',
    find: '    if (!(error instanceof OperatingError)) throw error\n  })',
    replace: '    throw error\n  })',
  },
  {
    name: 'journal broken: leave users on the candidate',
    file: 'src/runner/run-release.ts',
    find: 'await moveToStable({ ...options, state, epoch, because: error })',
    replace: 'await clock.sleep(1000)',
  },
  {
    name: 'journal broken: move users to what is not ready',
    file: 'src/runner/emergency.ts',
    find: 'if (!answer.allowed) {',
    replace: "if (answer.reason === '') {",
  },
  {
    name: 'journal broken: move users away from the new stable version',
    file: 'src/runner/emergency.ts',
    find: 'const { stable, generation } = state.services[service] ?? emptyService\n',
    replace:
      'const { generation } = state.services[service] ?? emptyService\n    const stable = member.from ?? state.services[service]?.stable\n',
  },
  {
    name: 'journal: a stale writer may append (memory)',
    file: 'src/journal/memory.ts',
    find: 'if (highestEpoch() > expected.epoch || lastSeq() !== expected.seq) {',
    replace: 'if (lastSeq() !== expected.seq) {',
    tests: journalTests,
  },
  {
    name: 'journal: two writers of one epoch may append after the same record (memory)',
    file: 'src/journal/memory.ts',
    find: 'if (highestEpoch() > expected.epoch || lastSeq() !== expected.seq) {',
    replace: 'if (highestEpoch() > expected.epoch) {',
    tests: journalTests,
  },
  // --- commands -------------------------------------------------------------------------------------------
  {
    name: 'lose a command when two are posted at once',
    file: 'src/runner/inputs.ts',
    find: 'const [posted] = isNext ? [] : await journal.commands(state.lastCommandId)',
    replace: 'const posted = isNext ? undefined : (await journal.commands(state.lastCommandId)).at(-1)',
  },
  {
    name: 'take a command twice',
    file: 'src/engine/evolve.ts',
    find: 'return { ...state, lastCommandId: Math.max(state.lastCommandId, body.commandId) }',
    replace: 'return { ...state, lastCommandId: Math.max(state.lastCommandId, body.commandId - 1) }',
  },
  {
    name: 'forget the version that supersedes',
    file: 'src/engine/evolve.ts',
    find: 'return { ...state, queued: { plan: body.plan, actor: record.actor } }',
    replace: 'return { ...state, queued: null }',
  },
  {
    name: 'a pause does not hold',
    file: 'src/engine/decide.ts',
    find: 'if (release.paused) return announce(release, watch, pausedWait)\n  return begin',
    replace: 'return begin',
  },
  {
    name: 'a pause holds the way back',
    file: 'src/engine/evolve.ts',
    find: '    paused: false,\n    outcome: null,\n  }\n  return { ...state, takenBack, release: back }',
    replace: '    outcome: null,\n  }\n  return { ...state, takenBack, release: back }',
  },
  {
    name: 'refuse a rollback because its plan is stale',
    file: 'src/engine/commands.ts',
    find: "if (command.verb === 'rollback' && state.release && command.to !== 'version') return null",
    replace: "if (command.verb === 'promote') return null",
  },
  {
    name: 'ship again what a verdict took back',
    file: 'src/engine/admission.ts',
    find: 'if (takenBack && !again) {',
    replace: 'if (takenBack && again === null) {',
  },
  {
    name: 'start a queued plan although the roles have changed',
    file: 'src/engine/decide.ts',
    find: 'const isStale = before?.slot !== from?.slot || before?.revision.id !== from?.revision.id',
    replace: 'const isStale = service === ""',
  },
  {
    name: 'a plan may be stale when it is typed',
    file: 'src/engine/commands.ts',
    find: 'return now?.revision.id !== from?.revision.id || now?.slot !== from?.slot',
    replace: 'return now === undefined && from === undefined',
    tests: ['test/engine'],
  },
  {
    name: 'a command overtakes what is queued',
    file: 'src/runner/inputs.ts',
    find: 'const isNext = state.queued !== null && !state.release',
    replace: 'const isNext = false',
    seed: 114_322,
  },
  // --- the way ---------------------------------------------------------------------------------------------
  {
    name: 'retire the slot of the new version',
    file: 'src/plan/planner.ts',
    find: '      slot: member.from!.slot,\n      drainMs',
    replace: '      slot: member.to.slot,\n      drainMs',
  },
  {
    name: 'plan: analyse before the traffic moves',
    file: 'src/plan/strategies/member-steps.ts',
    find: '    weight === 100 ? shiftAll(input) : shiftPart(input, weight),\n    { ...analyse(input, weight, settings.canary.stageMs), ...earlyOf(settings) },',
    replace:
      '    { ...analyse(input, weight, settings.canary.stageMs), ...earlyOf(settings) },\n    weight === 100 ? shiftAll(input) : shiftPart(input, weight),',
  },
  {
    name: 'plan: the old version ends before the keep time',
    file: 'src/plan/planner.ts',
    find: '    ...keep,\n    ...retire,',
    replace: '    ...retire,\n    ...keep,',
    tests: ['test/plan'],
  },
  {
    name: 'plan: the new version becomes stable before it is analysed',
    file: 'src/plan/strategies/member-steps.ts',
    find: '    analyse(input, 100, settings.blueGreen.monitorMs),\n    flip(input),',
    replace: '    flip(input),\n    analyse(input, 100, settings.blueGreen.monitorMs),',
  },
  {
    name: 'skip the step after a hook',
    file: 'src/engine/evolve.ts',
    find: 'return become({ cursor: release.cursor + 1, current: null, wait: null, verdicts })',
    replace:
      "return become({ cursor: release.cursor + (body.step.kind === 'hook' ? 2 : 1), current: null, wait: null, verdicts })",
  },
  {
    name: 'the keep time ends at once',
    file: 'src/engine/steps/arrival.ts',
    find: 'if (watch.waitedMs >= step.keepMs) return',
    replace: 'if (watch.waitedMs >= 0) return',
  },
  {
    name: 'run a hook again whose outcome is unknown',
    file: 'src/engine/decide.ts',
    find: "step.kind === 'hook' && step.hook.onUnknown === 'ask'",
    replace: "step.kind === 'hook' && step.hook.run === ''",
  },
  {
    name: 'repeat an effect without a look at what it needs',
    file: 'src/engine/decide.ts',
    find: 'const blocker = writeUnderWay(release, watch, step) ?? startBlocker(state, release, step, tick)',
    replace:
      "const blocker = writeUnderWay(release, watch, step) ?? (issued.attempt > 1 ? ({ kind: 'go' } as const) : startBlocker(state, release, step, tick))",
  },
  {
    name: 'two writes to one slot overtake each other',
    file: 'src/engine/decide.ts',
    find: 'const blocker = writeUnderWay(release, watch, step) ?? startBlocker(state, release, step, tick)',
    replace: 'const blocker = startBlocker(state, release, step, tick)',
  },
  {
    name: 'a change of shares keeps its generation',
    file: 'src/engine/steps/start.ts',
    find: 'generation: isRepeat ? decided : Math.max(decided, written) + 1 }',
    replace: 'generation: isRepeat ? decided : Math.max(decided, written, 1) }',
  },
  {
    name: 'way back: forget the flip',
    file: 'src/engine/back.ts',
    find: "? [{ id: `${service}.flip-back`, kind: 'flip', service, stable: from, previous: to }]",
    replace: '? []',
  },
  {
    name: 'way back: end the candidate before the traffic has moved',
    file: 'src/engine/back.ts',
    find: 'const undo = trafficFirst(members.flatMap((member) => undoMember(state, release, member)))',
    replace:
      "const undo = [...members.flatMap((member) => undoMember(state, release, member))].sort((a, b) => (a.kind === 'retire' ? -1 : b.kind === 'retire' ? 1 : 0))",
  },
  {
    name: 'way back: leave the candidate running',
    file: 'src/engine/back.ts',
    find: '  if (!exposed) return retired',
    replace: '  if (!exposed) return []',
  },
  {
    name: 'way back: no way out when the old version cannot be brought back',
    file: 'src/engine/decide.ts',
    find: "const next = release.direction === 'back' ? (waysOut[step.kind] ?? wait.next) : wait.next",
    replace: 'const next = wait.next',
  },
  {
    name: 'the first version is left without a role when it is superseded',
    file: 'src/engine/back.ts',
    find: '    if (flipped) return []\n',
    replace: '    if (flipped || exposed) return []\n',
  },
  {
    name: 'traffic that was moved while the journal was broken is not noticed',
    file: 'src/engine/decide.ts',
    find: 'if (!route || route.generation <= generation || unseen(tick)) return false',
    replace: 'if (!route || route.generation >= 0) return false',
  },
  {
    name: 'each attempt to tell looks like news',
    file: 'src/engine/steps/start.ts',
    find: 'idempotencyKey: `${release.plan.environment}/${release.id}/${step.id}`,',
    replace: 'idempotencyKey: `${release.plan.environment}/${release.id}/${step.id}/${release.current?.attempt ?? 0}`,',
  },
  {
    name: 'decisions without a reason',
    file: 'src/engine/decisions.ts',
    find: '    `${actor.name} asked for ${plan.version} by ${plan.strategy}`,',
    replace: "    '',",
  },
  {
    name: 'give up at the first failure of an effect',
    file: 'src/engine/decide.ts',
    find: "const finalCodes = new Set(['BUILD_FAILED', 'HOOK_FAILED', 'SMOKE_FAILED'])",
    replace: "const finalCodes = new Set(['BUILD_FAILED', 'HOOK_FAILED', 'SMOKE_FAILED', 'PLATFORM_FAILED'])",
  },

  // --- the judge -------------------------------------------------------------------------------------------
  {
    name: 'judge: the evidence has the wrong sign',
    file: 'src/analysis/relative-evidence.ts',
    find: '(log, at) => log + canary.bad * logMultiples[at]!',
    replace: '(log, at) => log - canary.bad * logMultiples[at]!',
    tests: ['test/analysis/relative-evidence.test.ts'],
  },
  {
    name: 'judge: weights of the exact test are not normalised',
    file: 'src/analysis/noncentral-hypergeometric.ts',
    find: 'weights.map((weight) => weight / total)',
    replace: 'weights.map((weight) => weight + 0 * total)',
    tests: ['test/analysis/noncentral-hypergeometric.test.ts'],
  },
  {
    name: 'judge: paths that have crossed stay in the exact test',
    file: 'src/analysis/conditional-boundary.ts',
    find: 'withoutLowEnd(first, probabilities.slice(0, Math.max(0, crossesAt - first)))',
    replace: 'withoutLowEnd(first, probabilities)',
    tests: ['test/analysis/conditional-boundary.test.ts'],
  },
  {
    name: 'judge: what was spent of α is forgotten',
    file: 'src/analysis/conditional-boundary.ts',
    find: 'spent: state.spent + beyond,',
    replace: 'spent: state.spent,',
    tests: ['test/analysis/conditional-boundary.test.ts'],
  },
  {
    name: 'judge: α is not shared over the stages',
    file: 'src/analysis/alpha-budget.ts',
    find: ': { stage: scaled(purse, 0.5), left: scaled(purse, 0.5) }',
    replace: ': { stage: purse, left: purse }',
    tests: ['test/analysis/alpha-budget.test.ts'],
  },
  {
    name: 'judge: every question has fresh α',
    file: 'src/analysis/sequential-state.ts',
    find: 'const purse = previous?.alpha.left ?? (stage ? purseAfter(whole, stage.index) : fullPurse(whole))',
    replace: 'const purse = stage ? fullPurse(whole) : purseAfter(whole, 0)',
    tests: ['test/analysis/sequential-judge.test.ts'],
  },
  {
    name: 'judge: cold replicas leak into the comparison',
    file: 'src/analysis/warm-up.ts',
    find: '(isWarm ? warm : cold).push(cell)',
    replace: '(isWarm ? warm : warm).push(cell)',
    tests: ['test/analysis/warm-up.test.ts'],
  },
  {
    name: 'judge: larger cells of stable count as they are',
    file: 'src/analysis/cells.ts',
    find: 'const chance = chanceInSample(cell, part)',
    replace: 'const chance = Math.max(1, part)',
    tests: ['test/analysis/cells.test.ts'],
  },
  {
    name: 'judge: evidence on several metrics is multiplied',
    file: 'src/analysis/relative-evidence.ts',
    find: 'logSumExp(logs) - Math.log(logs.length)',
    replace: 'logs.reduce((sum, log) => sum + log, 0)',
    tests: ['test/analysis/relative-evidence.test.ts'],
  },
  {
    name: 'judge: a roll is not taken over by before and after',
    file: 'src/analysis/sequential-intake.ts',
    find: 'return !replicas.some(({ revision, ending }) => revision === control.revision && !ending)',
    replace: 'return replicas.length < 0',
    tests: ['test/analysis/sequential-judge.test.ts'],
  },
]
