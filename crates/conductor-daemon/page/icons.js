// The icons: lines on a grid of 24, drawn in the colour of the text beside them. The words beside an icon always say
// the same as the icon.

import { h } from './dom.js';

const PATHS = {
  plugins: 'M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4',
  install: 'M12 4v11M7.5 10.5 12 15l4.5-4.5M4.5 19.5h15',
  activity: 'M3 12h4l3-7 4 14 3-7h4',
  keys: 'M15.5 4a4.5 4.5 0 1 1-4.2 6.1L4 17.4V20h3v-2h2v-2h2l1.6-1.6M16 8h.01',
  protection: 'M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6z',
  running: 'M8 5.5v13l10.5-6.5z',
  loading: 'M12 4a8 8 0 1 1-8 8',
  waiting: 'M12 7v5.5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
  'backing-off': 'M9 8v8M15 8v8M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
  quarantined: 'M8 3.5h8l4.5 4.5v8L16 20.5H8L3.5 16V8zM12 8v5M12 16h.01',
  ending: 'M7 3.5h10M7 20.5h10M8 3.5c0 5 8 6 8 8.5s-8 3.5-8 8.5M16 3.5c0 5-8 6-8 8.5s8 3.5 8 8.5',
  withdrawn: 'M9 14 4.5 9.5 9 5M4.5 9.5H15a5 5 0 0 1 0 10h-4',
  disabled: 'M12 3.5v8M7 6.5a7.5 7.5 0 1 0 10 0',
  refused: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM6 6l12 12',
  trusted: 'M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM8.5 12l2.5 2.5 4.5-5',
  'self-signed': 'M4 17c3-1 3.5-9 6-9s-1 9 1.5 9 2-5 4-5 .5 4 4.5 4M4 21h16',
  unsigned: 'M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.5h.01',
  expired: 'M7 3.5h10M7 20.5h10M8 3.5c0 5 8 6 8 8.5s-8 3.5-8 8.5M16 3.5c0 5-8 6-8 8.5s8 3.5 8 8.5',
  revoked: 'M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM9 9l6 6M15 9l-6 6',
  invalid: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01',
  warning: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  minus: 'M6 12h12',
  cross: 'M6 6l12 12M18 6 6 18',
  back: 'M14.5 5.5 8 12l6.5 6.5',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20.5 20.5',
  file: 'M7 3.5h7l4.5 4.5v12.5H7zM13.5 3.5V8.5h5',
  theme: 'M12 3.5a8.5 8.5 0 1 0 0 17zM12 3.5a8.5 8.5 0 0 1 0 17',
  offline: 'M4 4l16 16M8.5 16a5 5 0 0 1 6-.8M5 12.5a10 10 0 0 1 4.5-2.6M13 9.6a10 10 0 0 1 6 2.9M12 19.5h.01',
  Network: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.5 12h17M12 3.5c3 2.5 3.5 5.5 3.5 8.5s-.5 6-3.5 8.5c-3-2.5-3.5-5.5-3.5-8.5S9 6 12 3.5z',
  Audio: 'M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  Midi: 'M4 5h16v14H4zM9.3 5v14M14.7 5v14M8 5v8h2.6V5M13.4 5v8H16V5',
  Filesystem: 'M3.5 6h6l2 2.5h9V19h-17z',
  Subprocess: 'M3.5 5h17v14h-17zM7 9.5l3 2.5-3 2.5M12.5 15H17',
  SystemControl: 'M5 4v6M5 14v6M3 12h4M12 4v3M12 11v9M10 9h4M19 4v9M19 17v3M17 15h4',
};

/**
 * An icon, which is hidden from screen readers.
 * @param {string} name
 */
export const icon = (name) => h('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' },
  h('path', { d: PATHS[name] ?? PATHS.unsigned }));
