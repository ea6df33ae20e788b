'use strict'
const content = JSON.parse(document.getElementById('data').textContent)
const pairs = content.pairs
const picked = pairs.map(() => null)
let at = 0
let scored = false
const find = (id) => document.getElementById(id)
const choices = [...document.querySelectorAll('.choice')]

// SHA-256 of ASCII text (FIPS 180-4): the browser's own is asynchronous, and missing in some.
function sha256(text) {
  const fraction = (value) => ((value - Math.floor(value)) * 4294967296) >>> 0
  const primes = []
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n)
  const k = primes.map((p) => fraction(Math.cbrt(p)))
  const hash = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)))
  const bytes = [...text].map((c) => c.charCodeAt(0))
  const bits = bytes.length * 8
  bytes.push(0x80)
  while (bytes.length % 64 !== 56) bytes.push(0)
  for (let shift = 56; shift >= 0; shift -= 8) bytes.push(shift > 31 ? 0 : (bits >>> shift) & 255)
  const turn = (x, n) => (x >>> n) | (x << (32 - n))
  for (let start = 0; start < bytes.length; start += 64) {
    const w = []
    for (let t = 0; t < 64; t++) {
      if (t < 16) {
        const b = bytes.slice(start + 4 * t, start + 4 * t + 4)
        w.push((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3])
      } else {
        const s0 = turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ (w[t - 15] >>> 3)
        const s1 = turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ (w[t - 2] >>> 10)
        w.push((w[t - 16] + s0 + w[t - 7] + s1) | 0)
      }
    }
    let [a, b, c, d, e, f, g, h] = hash
    for (let t = 0; t < 64; t++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
      const one = (h + s1 + ((e & f) ^ (~e & g)) + k[t] + w[t]) | 0
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g]
    }
    ;[a, b, c, d, e, f, g, h].forEach((value, i) => { hash[i] = (hash[i] + value) >>> 0 })
  }
  return hash.map((value) => value.toString(16).padStart(8, '0')).join('')
}

const isRight = (number, letter) =>
  sha256(`${pairs[number].salt}:${number}:${letter}`) === pairs[number].key

// P(X >= k) of n tries at chance q.
function atLeast(k, n, q) {
  if (k <= 0) return 1
  let sum = 0
  let logC = 0
  for (let i = 0; i <= n; i++) {
    if (i) logC += Math.log((n - i + 1) / i)
    if (i >= k) sum += Math.exp(logC + i * Math.log(q) + (n - i) * Math.log1p(-q))
  }
  return Math.min(1, sum)
}

// The exact 95 % interval (Clopper and Pearson 1934), by halving.
function exact(right, n) {
  const halve = (below) => {
    let [low, high] = [0, 1]
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2
      if (below(middle)) low = middle
      else high = middle
    }
    return low
  }
  return [
    right === 0 ? 0 : halve((q) => atLeast(right, n, q) < 0.025),
    right === n ? 1 : halve((q) => 1 - atLeast(right + 1, n, q) > 0.025),
  ]
}

function show(number, focus) {
  at = number
  const pair = pairs[at]
  find('place').textContent = `Pair ${at + 1} of ${pairs.length}`
  find('prompt').textContent = pair.prompt
  choices.forEach((button, side) => {
    button.lastElementChild.textContent = pair.texts[side]
    button.setAttribute('aria-pressed', picked[at] === button.dataset.letter)
  })
  const done = picked.filter(Boolean).length
  const bar = document.querySelector('.bar')
  bar.setAttribute('aria-valuenow', done)
  bar.firstElementChild.style.width = `${(100 * done) / pairs.length}%`
  find('back').disabled = at === 0
  find('on').disabled = at === pairs.length - 1
  find('finish').disabled = done === 0
  if (focus) find('place').focus()
}

function pick(letter) {
  if (scored) return
  picked[at] = letter
  find('live').textContent = `${letter} picked for pair ${at + 1}`
  if (at + 1 < pairs.length) show(at + 1, true)
  else if (picked.every(Boolean)) finish()
  else show(at, true)
}

function finish() {
  scored = true
  const answered = picked.map((letter, number) => [letter, number]).filter(([letter]) => letter)
  const right = answered.filter(([letter, number]) => isRight(number, letter)).length
  const n = answered.length
  const [low, high] = exact(right, n)
  const share = (value) => value.toFixed(3)
  find('reading').hidden = true
  find('result').hidden = false
  find('score').textContent = `${right} of ${n} right`
  find('said').textContent =
    `A share of ${share(right / n)}, 95 % interval [${share(low)}, ${share(high)}] (exact binomial); ` +
    `picking at random gives 0.5, and so many or more in ${share(atLeast(right, n, 0.5))} of all cases. ` +
    (low > 0.5 ? 'You told the rows apart.' : 'That is no sign of having told them apart.')
  const first = answered.filter(([letter]) => letter === 'A').length
  const passed = pairs.length - n
  find('habit').textContent = `A was picked ${first} times, B ${n - first} times` +
    (passed ? `; ${passed} passed over.` : '.')
  const list = find('list')
  for (const [letter, number] of answered) {
    const row = list.insertRow()
    const head = document.createElement('th')
    head.scope = 'row'
    head.textContent = number + 1
    row.append(head)
    const good = isRight(number, letter)
    for (const text of [letter, good ? letter : letter === 'A' ? 'B' : 'A', good ? 'right' : 'wrong']) {
      const cell = row.insertCell()
      cell.className = 'words'
      cell.textContent = text
    }
  }
  find('score').focus()
}

function saved() {
  const answers = {}
  picked.forEach((letter, number) => { if (letter) answers[number] = letter })
  return JSON.stringify(
    { schema_version: 1, kind: content.kind, page: content.page, reader: find('reader').value || 'reader', answers }, null, 1)
}

choices.forEach((button) => button.addEventListener('click', () => pick(button.dataset.letter)))
find('back').addEventListener('click', () => show(at - 1, false))
find('on').addEventListener('click', () => show(at + 1, false))
find('finish').addEventListener('click', finish)
find('save').addEventListener('click', () => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([saved() + '\n'], { type: 'application/json' }))
  link.download = `inspect-${content.page}.json`
  link.click()
  URL.revokeObjectURL(link.href)
  find('live').textContent = `saved as ${link.download}`
})
document.addEventListener('keydown', (event) => {
  if (scored || event.ctrlKey || event.metaKey || event.altKey) return
  const key = event.key.toUpperCase()
  if (key === 'A' || key === 'B') pick(key)
  else if (event.key === 'ArrowLeft' && at > 0) show(at - 1, true)
  else if (event.key === 'ArrowRight' && at + 1 < pairs.length) show(at + 1, true)
  else return
  event.preventDefault()
})
find('reading').hidden = false
show(0, false)
