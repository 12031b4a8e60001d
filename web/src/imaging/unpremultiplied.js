/** Reads the colors of a bitmap with transparency as they were before they met a canvas. */

/** Holds a WebGL context, so that many parts of an image can be read. */
export class Unpremultiplied {
  #gl;

  /** Use `create`. @param {WebGLRenderingContext} gl */
  constructor(gl) {
    this.#gl = gl;
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  }

  /** Returns a reader, or `null` where there is no WebGL. */
  static create() {
    const gl = new OffscreenCanvas(1, 1).getContext("webgl");
    return gl && new Unpremultiplied(gl);
  }

  /** The longest side of a bitmap that can be read. */
  get maxSide() {
    return this.#gl.getParameter(this.#gl.MAX_TEXTURE_SIZE);
  }

  /**
   * Returns the RGBA values of a bitmap.
   *
   * @param {ImageBitmap} bitmap Created with `premultiplyAlpha: "none"`.
   * @returns {Uint8Array}
   */
  read(bitmap) {
    const gl = this.#gl;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const data = new Uint8Array(4 * bitmap.width * bitmap.height);
    gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    return data;
  }

  /** Releases the context; browsers allow few at a time. */
  close() {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
