import { expect, test } from 'vitest'
import { differenceLines } from '../../src/views/cli/actions/preview.ts'
import { createStyle } from '../../src/views/cli/style.ts'

const style = createStyle({ color: false })
const autoscaler = { kind: 'HorizontalPodAutoscaler', name: 'backend-blue' }

test('diff: an object is made, stays, or is shown field by field', () => {
  const changes = [{ path: 'spec.minReplicas', before: undefined, after: 3 }]
  expect([
    ...differenceLines({ ...autoscaler, exists: false, changes: [] }, style),
    ...differenceLines({ ...autoscaler, exists: true, changes: [] }, style),
    ...differenceLines({ ...autoscaler, exists: true, changes }, style),
  ]).toEqual([
    'HorizontalPodAutoscaler backend-blue would be made',
    'HorizontalPodAutoscaler backend-blue stays as it is',
    'HorizontalPodAutoscaler backend-blue',
    '  spec.minReplicas: nothing → 3',
  ])
})
