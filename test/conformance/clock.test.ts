import { systemClock } from '../../src/effects/clock/system.ts'
import { fakeClock } from '../../src/effects/fakes/clock.ts'
import { describeClock } from './clock.ts'

describeClock('of this machine', () => systemClock)
describeClock('virtual', fakeClock)
