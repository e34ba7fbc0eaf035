// Prints the cases as Markdown: how many there are, and those in which front and nginx do not do the same.
//
//   node test/hostile/table.ts
import { type HostileCase, hostileCases } from './cases.ts'

const statuses = (answers: readonly string[]) =>
  answers.map((words) => (/^(open|closed)$/.test(words) ? words : words.slice(0, 3))).join(', ')
const differs = ({ front, nginx }: HostileCase) => statuses(front) !== statuses(nginx)

const groups = Object.entries(hostileCases)
console.log('| About | cases | as nginx does |\n| --- | ---: | ---: |')
for (const [about, cases] of groups) {
  console.log(`| ${about} | ${cases.length} | ${cases.filter((hostile) => !differs(hostile)).length} |`)
}
const all = groups.flatMap(([, cases]) => cases)
console.log(`| all | ${all.length} | ${all.filter((hostile) => !differs(hostile)).length} |`)

console.log('\n| Case | front | nginx | why |\n| --- | --- | --- | --- |')
for (const [about, cases] of groups) {
  for (const hostile of cases.filter(differs)) {
    const { name, front, nginx, why } = hostile
    console.log(`| ${about}: ${name} | ${statuses(front)} | ${statuses(nginx)} | ${why.replaceAll('|', '\\|')} |`)
  }
}
