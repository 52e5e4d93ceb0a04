'use strict';
(() => {
  const POLL_MS = 2000, ROWS_MAX = 200;
  const $ = (id) => document.getElementById(id);
  const SVG = 'http://www.w3.org/2000/svg';
  let sort = { key: 'age_ms', down: true }, sessions = [], etags = {}, kept = {};

  /* Every text from the server goes through textContent. */
  const node = (name, text, classes) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = String(text);
    if (classes) made.className = classes;
    return made;
  };
  const short = (value) => {
    const units = ['', 'k', 'M', 'G', 'T'];
    let unit = 0;
    while (value >= (unit ? 1000 : 10000) && unit < units.length - 1) { value /= 1000; unit++; }
    return (unit || value % 1 ? value.toFixed(1) : value) + units[unit];
  };
  const age = (ms) => {
    const s = Math.floor(ms / 1000);
    if (s < 60) return s + ' s';
    if (s < 3600) return Math.floor(s / 60) + ' min';
    if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
    return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
  };
  const percent = (part, whole) => (whole > 0 ? Math.min(100, 100 * part / whole) : 0);

  /* A table: columns are [heading, cell of a row, is a number]. A cell is a text or a node. */
  const table = (place, columns, rows) => {
    const head = node('tr'), body = node('tbody');
    for (const [heading, , number] of columns) {
      const cell = node('th', heading, number ? 'n' : '');
      cell.scope = 'col';
      head.append(cell);
    }
    for (const row of rows) {
      const line = node('tr');
      for (const [, value, number] of columns) {
        const shown = value(row), cell = node('td', shown instanceof Node ? undefined : shown, number ? 'n' : '');
        if (shown instanceof Node) cell.append(shown);
        line.append(cell);
      }
      body.append(line);
    }
    const made = node('table'), top = node('thead');
    top.append(head);
    made.append(top, body);
    $(place).replaceChildren(rows.length ? made : node('p', 'None.', 'soft'));
  };
  const state = (word, kind) => node('span', word, kind);
  const bar = (part, whole) => {
    const outer = node('span', undefined, 'bar'), inner = node('i');
    inner.style.width = percent(part, whole) + '%';
    outer.append(inner);
    outer.title = part + ' of ' + whole;
    return outer;
  };

  /* ---- charts ---- */

  const curve = (points) => {
    const top = Math.max(1e-9, ...points), width = 300, height = 50;
    const at = points.map((value, i) => (points.length > 1 ? i * width / (points.length - 1) : 0).toFixed(1) + ' ' +
      (height - value / top * (height - 3)).toFixed(1));
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    for (const [kind, path] of [['area', 'M0 ' + height + ' L' + at.join(' L') + ' L' + width + ' ' + height + ' Z'], ['curve', 'M' + at.join(' L')]]) {
      const line = document.createElementNS(SVG, 'path');
      line.setAttribute('class', kind);
      line.setAttribute('d', at.length ? path : '');
      svg.append(line);
    }
    return svg;
  };
  const CHARTS = [['sessions', 'sessions/s', true], ['logins', 'logins/s', true], ['failures', 'failures/s', true],
    ['octets', 'octets/s', true], ['running', 'sessions', false], ['queued', 'queued', false]];
  const charts = (history) => {
    $('charts').replaceChildren(...CHARTS.map(([field, unit, is_rate]) => {
      const values = history[field], step = history.step_s;
      const points = is_rate ? values.slice(1).map((value, i) => Math.max(0, value - values[i]) / step) : values;
      const figure = node('figure', undefined, 'chart');
      figure.append(node('b', points.length ? short(points[points.length - 1]) : '–'), node('span', unit, 'soft'), curve(points));
      figure.dataset.field = field;
      return figure;
    }));
    $('span').textContent = 'last ' + age(history.sessions.length * history.step_s * 1000);
  };

  /* ---- the parts of the page ---- */

  const POOLS = [['instance', (p) => p.instance], ['listens at', (p) => p.listen],
    ['state', (p) => state(p.state, p.state === 'running' ? 'good' : 'warn')], ['sessions', (p) => p.sessions, true],
    ['places', (p) => p.places, true], ['used', (p) => bar(p.sessions, p.places)], ['queued', (p) => p.waiting, true],
    ['idle', (p) => p.idle, true], ['busy', (p) => p.busy, true], ['starting', (p) => p.starting, true],
    ['leaving', (p) => p.leaving, true], ['generation', (p) => p.generation, true]];
  const SERVERS = [['group', (s) => s.group], ['server', (s) => s.server],
    ['state', (s) => state(s.state, s.state === 'up' ? 'good' : s.state === 'down' ? 'bad' : 'warn')],
    ['for', (s) => (s.since_ms === undefined ? '' : age(s.since_ms))], ['sessions', (s) => s.sessions, true],
    ['logins', (s) => s.logins, true], ['waiting', (s) => s.waiting, true],
    ['check', (s) => s.check || '–'], ['latency', (s) => (s.check_us === undefined ? '–' : (s.check_us / 1000).toFixed(1) + ' ms'), true],
    ['failures', (s) => Object.values(s.failures).reduce((a, b) => a + b, 0), true]];
  const trouble = (count) => (count ? state(short(count), 'bad') : 0);
  const TIMES = [['login_time', 'login'], ['route_time', 'route'], ['connect_time', 'connect']];
  const INSTANCES = [['instance', (i) => i.name], ['sessions', (i) => short(i.sessions), true], ['logins', (i) => short(i.logins), true],
    ['failures', (i) => short(i.failures), true], ['octets', (i) => short(i.octets), true], ['retrieved', (i) => short(i.retrieved), true],
    ['deleted', (i) => short(i.deleted), true], ['refused', (i) => short(i.refused), true],
    ['crashes', (i) => trouble(i.crashes), true], ['pauses', (i) => trouble(i.throttled), true],
    ['log lines lost', (i) => trouble(i.log_lost), true],
    ...TIMES.map(([field, word]) => [word + ' (mean)', (i) => (i[field] && i[field].count ? (i[field].sum_us / i[field].count / 1000).toFixed(1) + ' ms' : '–'), true])];
  /* A column for each instance, which says where; the last minutes say whether it goes on. */
  const reasons = (instances, history) => {
    const count = (instance, word) => instance.ended[word] || 0;
    const all = Object.keys(instances.length ? instances[0].ended : {}).map((word) => ({ word, recent: history.ended[word] || 0,
      count: instances.reduce((sum, instance) => sum + count(instance, word), 0) })).filter((r) => r.count);
    all.sort((a, b) => b.recent - a.recent || b.count - a.count);
    const most = Math.max(0, ...all.map((r) => r.recent));
    table('reasons', [['reason', (r) => r.word], ['last ' + age(history.sessions.length * history.step_s * 1000), (r) => short(r.recent), true],
      ['', (r) => bar(r.recent, most)], ...(instances.length > 1 ? [['all', (r) => short(r.count), true]] : []),
      ...instances.map((instance) => [instance.name, (r) => short(count(instance, r.word)), true])], all);
  };
  const HOLDS = [['user', (h) => h.user], ['for', (h) => age(h.left_ms), true]];
  const CERTIFICATES = [['file', (c) => c.file],
    ['days left', (c) => state(c.days, c.days < 0 ? 'bad' : c.days <= 14 ? 'warn' : 'good'), true]];
  const WARNINGS = [['when', (w) => new Date(w.at * 1000).toLocaleTimeString()],
    ['severity', (w) => state(w.severity, w.severity === 'warning' ? 'warn' : 'bad')],
    ['line', (w) => node('code', w.line)]];

  const show = (status) => {
    $('about').textContent = 'version ' + status.version + ', up ' + age(status.up_ms);
    $('reload').hidden = !status.reload_failed;
    charts(status.history);
    table('pools', POOLS, status.instances.flatMap((i) => i.pools.map((p) => ({ ...p, instance: i.name }))));
    table('instances', INSTANCES, status.instances);
    $('groups').hidden = !status.servers.length;
    table('servers', SERVERS, status.servers);
    reasons(status.instances, status.history);
    const roles = status.sandbox.roles;
    $('confined').hidden = !roles.length;
    $('h-sandbox').textContent = status.sandbox.mode === 'no' ? 'Sandbox: none, as sandbox = no' : 'Sandbox';
    table('sandbox', roles.length ? Object.keys(roles[0]).map((part) => [part, (r) => (part === 'role' ? r.role : state(r[part] ? 'yes' : 'no', r[part] ? 'good' : 'warn'))]) : [], roles);
    $('tls').hidden = !status.certificates.length;
    table('certificates', CERTIFICATES, status.certificates);
    table('warnings', WARNINGS, [...status.warnings].reverse());
    document.body.dataset.shown = status.up_ms;
  };

  /* ---- sessions ---- */

  const SESSIONS = [['user', 'user'], ['client', 'client'], ['server', 'server'], ['stage', 'stage'], ['age', 'age_ms', age],
    ['octets', 'octets', short], ['instance', 'instance'], ['session', 'session']];
  /* One spelling for what looks the same: case, and accents of their own. A long name is cut, and ends with three dots. */
  const plain = (text) => text.normalize('NFC').toLowerCase();
  const has = (text, wanted) => plain(text).includes(wanted) || (text.endsWith('\u2026') && wanted.startsWith(plain(text.slice(0, -1))));
  const draw_sessions = () => {
    const wanted = plain($('filter').value.trim());
    const found = sessions.filter((s) => !wanted || [s.user, s.client, s.server, s.session].some((text) => has(text, wanted)));
    const key = sort.key, sign = sort.down ? -1 : 1;
    found.sort((a, b) => sign * (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0));
    $('rows').replaceChildren(...found.slice(0, ROWS_MAX).map((session) => {
      const row = node('tr');
      row.dataset.session = session.session;
      for (const [, field, form] of SESSIONS) row.append(node('td', form ? form(session[field]) : session[field], form ? 'n' : ''));
      return row;
    }));
    $('count').textContent = found.length + ' of ' + sessions.length + (sessions.length === 1 ? ' session' : ' sessions') + (found.length > ROWS_MAX ? ', the first ' + ROWS_MAX + ' are shown' : '');
    for (const cell of $('heads').children)
      cell.setAttribute('aria-sort', cell.dataset.key !== sort.key ? 'none' : sort.down ? 'descending' : 'ascending');
    for (const button of $('heads').querySelectorAll('button'))
      button.textContent = button.dataset.name + (button.parentNode.dataset.key === sort.key ? (sort.down ? ' ↓' : ' ↑') : '');
  };
  const begin_sessions = () => {
    for (const [name, key, form] of SESSIONS) {
      const cell = node('th', undefined, form ? 'n' : ''), button = node('button', name);
      cell.scope = 'col';
      cell.dataset.key = key;
      button.type = 'button';
      button.dataset.name = name;
      button.addEventListener('click', () => {
        sort = { key, down: sort.key === key ? !sort.down : Boolean(form) };
        draw_sessions();
      });
      cell.append(button);
      $('heads').append(cell);
    }
    $('filter').addEventListener('input', draw_sessions);
  };

  /* ---- polling ---- */

  const ask = async (path) => {
    const answer = await fetch(path, { cache: 'no-store', headers: etags[path] ? { 'If-None-Match': etags[path] } : {} });
    if (answer.status === 304) return kept[path];
    if (!answer.ok) throw new Error('HTTP ' + answer.status);
    etags[path] = answer.headers.get('ETag');
    kept[path] = await answer.json();
    return kept[path];
  };
  const poll = async () => {
    if (!document.hidden) {
      try {
        show(await ask('status.json'));
        if (document.body.dataset.page === 'sessions') {
          const shown = await ask('sessions.json');
          sessions = shown.sessions;
          $('held').hidden = !shown.holds.length;
          table('holds', HOLDS, shown.holds);
          draw_sessions();
        }
        $('state').textContent = 'live';
        $('state').className = 'good';
      } catch (error) {
        $('state').textContent = 'no answer: ' + error.message;
        $('state').className = 'bad';
      }
    }
    setTimeout(poll, POLL_MS);
  };
  begin_sessions();
  $('live').hidden = false;
  $('users').hidden = document.body.dataset.page !== 'sessions';
  poll();
})();
