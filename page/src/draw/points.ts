// Drawing many points on a canvas: by WebGL, or by writing pixels where there is none. Both draw the
// same thing: a disc of a colour for each point, later points over earlier ones.

import type { Camera } from "./camera";

export interface Painter {
  readonly kind: "WebGL" | "canvas";
  /** `(4 n)` red, green, blue and alpha of each point; one with alpha 0 is not drawn. */
  colour(rgba: Uint8Array): void;
  draw(camera: Camera, diameter: number): void;
  release(): void;
}

/**
 * A painter for a fresh canvas: by WebGL unless `plain`. Where WebGL fails, now or later, `lost` is
 * called: that canvas is spent, and another wants a plain painter.
 */
export function painterFor(
  canvas: HTMLCanvasElement,
  xy: Float32Array,
  plain: boolean,
  lost: () => void,
): Painter | undefined {
  if (plain) return pixels(canvas, xy);
  const painter = webgl(canvas, xy, lost);
  if (!painter) lost();
  return painter;
}

/** Pixels of the screen for each of the page. More than two cost time and show nothing. */
const density = () => Math.min(2, devicePixelRatio || 1);

function size(canvas: HTMLCanvasElement, camera: Camera): number {
  const scale = density();
  const [width, height] = [Math.round(camera.width * scale), Math.round(camera.height * scale)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return scale;
}

// --- WebGL -----------------------------------------------------------------------------------------

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
uniform vec4 view;
uniform mediump float diameter;
varying vec4 ink;
void main() {
  ink = colour;
  // Points that are not drawn are put outside.
  gl_Position = colour.a > 0.0 ? vec4((place - view.xy) * view.zw, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = diameter;
}`;

const FRAGMENT = `
precision mediump float;
uniform float diameter;
varying vec4 ink;
void main() {
  float away = length(gl_PointCoord - 0.5) * diameter;
  // Soft over the outermost pixel; points of a pixel or two are squares in any case.
  float cover = clamp(0.5 * diameter - away + 0.5, diameter < 2.5 ? 0.75 : 0.0, 1.0);
  float alpha = ink.a * cover;
  gl_FragColor = vec4(ink.rgb * alpha, alpha);
}`;

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** What draws, in the driver's words; some browsers do not tell. */
function rendererOf(gl: WebGLRenderingContext): string {
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  return told ? String(gl.getParameter(told.UNMASKED_RENDERER_WEBGL)) : "";
}

function webgl(canvas: HTMLCanvasElement, xy: Float32Array, lost: () => void): Painter | undefined {
  const gl = canvas.getContext("webgl", { antialias: false, depth: false, failIfMajorPerformanceCaveat: true });
  // Where the processor has to play the graphics card, writing pixels is several times faster.
  if (!gl || SOFTWARE.test(rendererOf(gl))) return undefined;
  const program = link(gl);
  if (!program) return undefined;
  const places = gl.createBuffer();
  const colours = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, places);
  gl.bufferData(gl.ARRAY_BUFFER, xy, gl.STATIC_DRAW);
  const attribute = (name: string, parts: number, kind: number, normalised: boolean) => {
    const at = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, kind, normalised, 0, 0);
  };
  attribute("place", 2, gl.FLOAT, false);
  gl.bindBuffer(gl.ARRAY_BUFFER, colours);
  gl.bufferData(gl.ARRAY_BUFFER, 2 * xy.length, gl.STATIC_DRAW);
  attribute("colour", 4, gl.UNSIGNED_BYTE, true);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.clearColor(0, 0, 0, 0);
  const view = gl.getUniformLocation(program, "view");
  const diameterAt = gl.getUniformLocation(program, "diameter");
  const onlost = (event: Event) => {
    event.preventDefault();
    lost();
  };
  canvas.addEventListener("webglcontextlost", onlost);
  return {
    kind: "WebGL",
    colour(rgba) {
      gl.bindBuffer(gl.ARRAY_BUFFER, colours);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, rgba);
    },
    draw(camera, diameter) {
      const scale = size(canvas, camera);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform4f(view, camera.x, camera.y, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
      gl.uniform1f(diameterAt, diameter * scale);
      gl.drawArrays(gl.POINTS, 0, xy.length / 2);
    },
    release() {
      canvas.removeEventListener("webglcontextlost", onlost);
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

function link(gl: WebGLRenderingContext): WebGLProgram | undefined {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) return undefined;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : undefined;
}

// --- pixels ----------------------------------------------------------------------------------------

function pixels(canvas: HTMLCanvasElement, xy: Float32Array): Painter {
  // Nothing is read back, but a canvas that says so stays in the processor's memory, where its pixels
  // are written: a frame costs a copy, and not a way to the graphics card and back.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let inks = new Uint32Array(xy.length / 2);
  let image: ImageData | undefined;
  return {
    kind: "canvas",
    colour(rgba) {
      inks = new Uint32Array(rgba.slice().buffer);
    },
    draw(camera, diameter) {
      const scale = size(canvas, camera);
      const { width, height } = canvas;
      if (!context) return;
      if (image?.width !== width || image.height !== height) image = context.createImageData(width, height);
      const out = new Uint32Array(image.data.buffer);
      out.fill(0);
      paint(out, width, height, xy, inks, camera, scale, disc(diameter * scale));
      context.putImageData(image, 0, 0);
    },
    release() {},
  };
}

/** Rows of a disc: for each, how far up it lies and from where to where it goes. */
function disc(diameter: number): { dy: number; left: number; right: number }[] {
  const whole = Math.max(1, Math.round(diameter));
  const low = -Math.floor(whole / 2);
  const middle = low + (whole - 1) / 2;
  return Array.from({ length: whole }, (_, row) => {
    const dy = low + row;
    const half = Math.sqrt(Math.max(0, (whole / 2) ** 2 - (dy - middle) ** 2));
    return whole < 4
      ? { dy, left: low, right: low + whole - 1 }
      : { dy, left: Math.ceil(middle - half), right: Math.floor(middle + half) };
  });
}

function paint(
  out: Uint32Array,
  width: number,
  height: number,
  xy: Float32Array,
  inks: Uint32Array,
  camera: Camera,
  scale: number,
  rows: { dy: number; left: number; right: number }[],
): void {
  const factor = camera.scale * scale;
  const [left, top] = [width / 2 - camera.x * factor, height / 2 + camera.y * factor];
  for (let row = 0; row < inks.length; row++) {
    const ink = inks[row]!;
    // Pixels are written, not mixed: what is nearly see-through is left out.
    if (ink >>> 24 < 16) continue;
    const px = Math.round(left + xy[2 * row]! * factor);
    const py = Math.round(top - xy[2 * row + 1]! * factor);
    if (px < -32 || py < -32 || px > width + 32 || py > height + 32) continue;
    // Runs are a few pixels long: a plain loop beats `fill`, and `for of`.
    for (let n = 0; n < rows.length; n++) {
      const { dy, left: from, right: to } = rows[n]!;
      const y = py + dy;
      if (y < 0 || y >= height) continue;
      const first = y * width + Math.max(0, px + from);
      const last = y * width + Math.min(width - 1, px + to);
      for (let at = first; at <= last; at++) out[at] = ink;
    }
  }
}
