/** Icons of tool buttons. Each is beside or inside something with a name. */

const NAMESPACE = 'http://www.w3.org/2000/svg';
/** Paths in a 24 x 24 square. */
const PATHS = {
  grid: 'M4 4h16v16H4zM9.33 4v16M14.67 4v16M4 9.33h16M4 14.67h16',
  look: 'M2 12c3-5.3 6.3-8 10-8s7 2.7 10 8c-3 5.3-6.3 8-10 8s-7-2.7-10-8zM15 12a3 3 0 1 1-6 0 3 3 0 0 1 6 0z',
  camera: 'M3 7h4l2-3h6l2 3h4v13H3zM16 13a4 4 0 1 1-8 0 4 4 0 0 1 8 0z',
  replace: 'M3 9h15M14 4.5 18.5 9 14 13.5M21 15H6M10 10.5 5.5 15l4.5 4.5',
  add: 'M12 4v16M4 12h16',
  remove: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
  enlarge: 'M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7',
  settings: 'M3 7h9M18 7h3M18 7a3 3 0 1 1-6 0 3 3 0 0 1 6 0zM3 17h3M12 17h9M12 17a3 3 0 1 1-6 0 3 3 0 0 1 6 0z',
} as const;

export function icon(name: keyof typeof PATHS): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, 'svg');
  const path = document.createElementNS(NAMESPACE, 'path');
  for (const [attribute, value] of Object.entries({ class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }))
    svg.setAttribute(attribute, value);
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
