// What every player page shares: the video element, a log of events and errors, and questions the tests ask.
"use strict";

const query = new URLSearchParams(location.search);

window.bench = {
  url: query.get("url"),
  start: query.has("start") ? Number(query.get("start")) : null,
  licence: query.get("licence"), // URL of a ClearKey licence server
  autoplay: query.get("autoplay") !== "0",
  video: document.querySelector("video"),
  player: null,
  showText: null, // chooses a text track by its number
  errors: [],
  events: [],
  firstFrame: null, // milliseconds since the epoch
  target: null, // media seconds of the newest seek
  arrived: true, // whether a picture was shown since the newest seek
  newest: null, // media seconds of the newest picture since then

  note(event) {
    this.events.push(event);
  },

  fail(error) {
    this.errors.push(String(error));
  },

  passed(seconds) {
    return !this.video.seeking && (this.video.currentTime >= seconds || this.video.ended);
  },

  seek(seconds) {
    this.target = seconds;
    this.arrived = false;
    this.newest = null;
    this.video.currentTime = seconds;
  },

  // A picture that was on its way before the seek does not count: it lies elsewhere in the title. A video that stands
  // still shows one picture, and says so before or after it says that the seek is over.
  arrive() {
    const there = this.newest !== null && Math.abs(this.newest - this.target) < 1.5;
    this.arrived ||= there && !this.video.seeking;
  },

  textShown() {
    const showing = [...this.video.textTracks].filter((track) => track.mode === "showing");
    const cues = showing.flatMap((track) => [...(track.activeCues ?? [])]);
    return cues.map((cue) => cue.getCueAsHTML().textContent);
  },

  play() {
    if (this.autoplay) {
      this.video.play().catch((error) => this.fail(`play: ${error}`));
    }
  },

  state() {
    const video = this.video;
    const quality = video.getVideoPlaybackQuality();
    return {
      current_time: video.currentTime,
      duration: Number.isFinite(video.duration) ? video.duration : null,
      paused: video.paused,
      ended: video.ended,
      ready_state: video.readyState,
      first_frame_ms: this.firstFrame,
      frames_shown: quality.totalVideoFrames - quality.droppedVideoFrames,
      frames_dropped: quality.droppedVideoFrames,
      width: video.videoWidth,
      height: video.videoHeight,
      errors: this.errors,
      events: this.events,
    };
  },
};

{
  const { bench } = window;
  const onFrame = (_now, frame) => {
    bench.firstFrame ??= Date.now();
    bench.newest = frame.mediaTime;
    bench.arrive();
    bench.video.requestVideoFrameCallback(onFrame);
  };
  bench.video.requestVideoFrameCallback(onFrame);
  for (const name of ["loadedmetadata", "playing", "waiting", "stalled", "seeking", "seeked", "ended", "resize"]) {
    bench.video.addEventListener(name, () => bench.note(`${name} ${bench.video.currentTime.toFixed(3)}`));
  }
  bench.video.addEventListener("seeked", () => bench.arrive());
  bench.video.addEventListener("error", () => bench.fail(`video: ${bench.video.error?.message}`));
  window.addEventListener("error", (event) => bench.fail(`page: ${event.message}`));
  window.addEventListener("unhandledrejection", (event) => bench.fail(`promise: ${event.reason}`));
}
