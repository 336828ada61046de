import { SAMPLES_PATH } from '../contract.js';

/** Sample grids that were loaded, decoded and ready to be shown; the least used ones are let go. */
export class PictureCache {
  private readonly pictures = new Map<number, Promise<HTMLImageElement>>();

  constructor(private readonly limit: number) {}

  /** Rejects when the picture cannot be had; the next call tries again. */
  load(step: number): Promise<HTMLImageElement> {
    const picture = this.pictures.get(step) ?? this.fetch(step);
    this.pictures.delete(step);
    this.pictures.set(step, picture);
    this.letGo();
    return picture;
  }

  clear(): void {
    this.pictures.clear();
  }

  private fetch(step: number): Promise<HTMLImageElement> {
    const image = new Image();
    image.alt = `Digits that the generator draws from fixed noise, after step ${step}`;
    image.src = `${SAMPLES_PATH}${step}.png`;
    const picture = image.decode().then(() => image);
    picture.catch(() => {
      if (this.pictures.get(step) === picture) this.pictures.delete(step);
    });
    return picture;
  }

  private letGo(): void {
    for (const step of this.pictures.keys()) {
      if (this.pictures.size <= this.limit) return;
      this.pictures.delete(step);
    }
  }
}
