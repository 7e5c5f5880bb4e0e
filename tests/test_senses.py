"""Sound, motion, heart and skin beside the picture: read, measured, joined, and refused in a sentence."""

import av
import numpy as np
import pandas as pd
import pytest
from made_walks import make_walk

from gaitlib.config import make_config
from gaitlib.demo import WalkParameters, sample_truth, write_video
from gaitlib.demo.recording import SOUND_RATE_HZ, SenseParameters, heel_strikes, step_sound, watch_signals
from gaitlib.errors import InputError
from gaitlib.senses import SENSE_PARAMETERS, order_leak, senses_of
from gaitlib.senses.fusion import TOGETHER, fit_senses, gain_of_each, judge_senses, load_senses
from gaitlib.senses.measuring import footsteps, measure_body, measure_motion, measure_sound
from gaitlib.senses.recordings import Recording, read_recording, read_sound
from gaitlib.senses.walks import clock_shift, find_walks, measure_walk, measure_walks

TIMES = np.arange(0, 12, 0.02)


@pytest.fixture(scope="module")
def walks() -> list[dict]:
    return sample_truth(range(1, 11), 1, seed=5).to_dict("records")


def write(path, columns: dict, **how) -> object:
    pd.DataFrame(columns).to_csv(path, index=False, **how)
    return path


def walk_signals(scale: float = 1.0) -> dict[str, np.ndarray]:
    """Acceleration with gravity at 110 steps a minute, and rotation at half of that."""
    turn = 2 * np.pi * 110 / 60 * TIMES
    return {
        "acc_x_m_s2": scale * 1.5 * np.sin(turn),
        "acc_y_m_s2": scale * (9.81 + 2 * np.cos(turn)),
        "acc_z_m_s2": scale * np.sin(turn / 2),
        "gyro_x_deg_s": 20 * np.sin(turn / 2 + 1),
        "gyro_y_deg_s": 120 * np.cos(turn / 2),
        "gyro_z_deg_s": 10 * np.cos(turn),
    }


def last_second(path) -> float:
    return max(signal.index[-1] for signal in read_recording(path).signals.values())


class TestRecordings:
    @pytest.mark.parametrize(
        "header, times, how",
        [
            ("time_seconds", TIMES, {}),
            ("Timestamp (ms)", 1_700_000_000_000 + 1000 * TIMES, {"sep": ";", "decimal": ","}),
            ("unix_ns", 1.7e18 + 1e9 * TIMES, {"sep": "\t"}),
            ("loggingTime", pd.Timestamp("2026-03-01 10:00") + pd.to_timedelta(TIMES, "s"), {}),
            ("time", [f"{int(at // 60):02d}:{at % 60:06.3f}" for at in TIMES], {}),
        ],
        ids=["seconds", "ms", "ns", "dates", "minutes"],
    )
    def test_clocks_and_separators_of_common_exports(self, tmp_path, header, times, how):
        recording = read_recording(write(tmp_path / "a.csv", {header: times, **walk_signals()}, **how))
        assert measure_motion(recording)["motion_cadence_steps_per_min"] == pytest.approx(110, rel=0.02)
        assert len(recording.signals) == 6 and not recording.notes

    @pytest.mark.parametrize(
        "before, names, clock, how",
        [
            ("sep=;\n", ["x", "y", "z"], ("timestamp", 1000), {"sep": ";", "decimal": ","}),
            ("", ["gFx", "gFy", "gFz"], ("time", 1), {}),
            ("", ["X [mg]", "Y [mg]", "Z [mg]"], ("t", 1_000_000), {"encoding": "utf-16"}),
            ("Device,A watch\nAt 10, room 3\n# ", ["ax", "ay", "az"], ("Elapsed time (s)", 1), {"sep": "\t"}),
        ],
        ids=["sep line, ms without a unit", "g force", "mg, utf-16", "lines before"],
    )
    def test_other_exports_of_phones_and_watches(self, tmp_path, before, names, clock, how):
        scale = {"g": 1 / 9.80665, "X": 1000 / 9.80665}.get(names[0][0], 1)
        axes = [scale * walk_signals()[f"acc_{axis}_m_s2"] for axis in "xyz"]
        table = pd.DataFrame({clock[0]: clock[1] * TIMES, **dict(zip(names, axes, strict=True))})
        encoding, path = how.pop("encoding", "utf-8"), tmp_path / "a.csv"
        path.write_bytes((before + table.to_csv(index=False, **how)).encode(encoding))
        recording = read_recording(path)
        assert recording.signals["acc_x_m_s2"].index[-1] == pytest.approx(TIMES[-1])
        for axis, plain in zip("xyz", axes, strict=True):
            assert np.abs(recording.signals[f"acc_{axis}_m_s2"] - plain / scale).max() < 1e-3
        assert names[0] != "x" or "taken for acceleration" in recording.notes[0]

    def test_clocks_that_are_no_milliseconds_from_zero(self, tmp_path):
        fast = {"timestamp": 1.7e15 + 4000 * np.arange(1000), "ecg": np.sin(np.arange(1000) / 20)}
        assert last_second(write(tmp_path / "a.csv", fast)) == pytest.approx(3.996)
        slow = {"timestamp": 1.7e9 + 5 * np.arange(20), "Pulse Ox": 97, "HR": 70 + np.arange(20)}
        recording = read_recording(write(tmp_path / "b.csv", slow))
        hours = {"time_seconds": 0.05 * np.arange(80_000), "ecg": np.sin(np.arange(80_000) / 20)}
        assert last_second(write(tmp_path / "c.csv", hours)) == pytest.approx(3999.95)
        assert last_second(tmp_path / "b.csv") == 95 and recording.signals["heart_rate_bpm"].iloc[0] == 70

    def test_of_several_columns_the_right_one_is_read(self, tmp_path):
        table = {"date": "2026-05-01", "hr_confidence": 99, "max_hr": 190, "Zeit (s)": np.arange(20)}
        recording = read_recording(write(tmp_path / "a.csv", {**table, "HR (beats/min)": 70 + np.arange(20)}))
        assert recording.signals["heart_rate_bpm"].tolist() == [70 + number for number in range(20)]
        assert last_second(tmp_path / "a.csv") == 19

    @pytest.mark.parametrize("counts", [16384, 2048, 256])
    def test_counts_of_a_sensor_are_no_acceleration(self, tmp_path, counts):
        axes = {f"a{axis}": counts / 9.80665 * walk_signals()[f"acc_{axis}_m_s2"] for axis in "xyz"}
        recording = read_recording(write(tmp_path / "a.csv", {"time": TIMES, "hr": 80, **axes}))
        assert set(recording.signals) == {"heart_rate_bpm"} and "raw counts" in recording.notes[-1]

    def test_axes_of_other_sensors_are_no_acceleration(self, tmp_path):
        axes = {f"{axis}_{kind}": walk_signals()["acc_x_m_s2"] for axis in "xyz" for kind in ("mag", "pos")}
        with pytest.raises(InputError, match="no signal that could be used"):
            read_recording(write(tmp_path / "a.csv", {"time": TIMES, **axes}))

    def test_small_accelerations_in_mg_by_their_header(self, tmp_path):
        shaken = {f"acc_{axis}_mg": 150 * np.sin(9 * TIMES + place) for place, axis in enumerate("xyz")}
        recording = read_recording(write(tmp_path / "a.csv", {"time": TIMES, **shaken}))
        assert recording.signals["acc_x_m_s2"].max() == pytest.approx(0.15 * 9.80665, rel=0.01)

    @pytest.mark.parametrize(
        "name, factor, words",
        [
            ("accelerationX(g)", 1 / 9.80665, "taken for g"),
            ("acc_x_m_s2", 1 / 9.80665, "taken for g"),
            ("gyroRotationX(rad/s)", np.pi / 180, "radians"),
            ("gyro_x_deg_s", np.pi / 180, "radians"),
            ("gyro_x_mdps", 1000, "taken for mdps"),
        ],
    )
    def test_units_are_told_by_header_or_range(self, tmp_path, name, factor, words):
        kind = "acc" if name.startswith("acc") else "gyro"
        names = [name.replace("X", axis.upper()).replace("_x", f"_{axis}") for axis in "xyz"]
        true = [values for name, values in walk_signals().items() if name.startswith(kind)]
        columns = dict(zip(names, (factor * values for values in true), strict=True))
        recording = read_recording(write(tmp_path / "a.csv", {"time": TIMES, **columns}))
        assert words in recording.notes[0]
        for values, signal in zip(true, recording.signals.values(), strict=True):
            np.testing.assert_allclose(signal, values, atol=1e-6)

    def test_sensors_in_rows_at_different_rates(self, tmp_path):
        signals, rows = walk_signals(), []
        for place, time in enumerate(TIMES):
            rows.append((time, "Accelerometer", *(signals[f"acc_{x}_m_s2"][place] for x in "xyz"), None))
            if not place % 50:
                rows.append((time, "HeartRate", None, None, None, 92 + place / 100))
        table = pd.DataFrame(rows, columns=["time", "sensor", "x", "y", "z", "value"])
        table.loc[table["sensor"] == "HeartRate", "time"] += 0.001
        recording = read_recording(write(tmp_path / "a.csv", table))
        assert set(recording.signals) == {"acc_x_m_s2", "acc_y_m_s2", "acc_z_m_s2", "heart_rate_bpm"}
        assert recording.vector("acc")[1] == pytest.approx(50)

    def test_sensors_may_share_times_and_differ_in_rate(self, tmp_path):
        """Acceleration and rotation in rows at the same times, rotation at half the rate."""
        signals = walk_signals()
        rows = [
            (1000 * time, kind, *(signals[f"{name}_{axis}_{unit}"][place] for axis in "xyz"))
            for place, time in enumerate(TIMES)
            for kind, name, unit in (("Accelerometer", "acc", "m_s2"), ("Gyroscope", "gyro", "deg_s"))
            if name == "acc" or not place % 2
        ]
        table = pd.DataFrame(rows, columns=["timestamp", "sensorType", "x", "y", "z"])
        recording = read_recording(write(tmp_path / "a.csv", table))
        assert len(recording.signals) == 6 and not recording.notes
        assert len(recording.signals["gyro_x_deg_s"]) == len(TIMES) / 2
        felt = measure_motion(recording)
        assert felt["motion_cadence_steps_per_min"] == pytest.approx(110, rel=0.02)
        assert felt["motion_arm_swing_deg_s"] == pytest.approx(120 / np.sqrt(2), rel=0.05)

    def test_a_separator_may_end_each_row(self, tmp_path):
        head, *lines = pd.DataFrame({"time": TIMES, **walk_signals()}).to_csv(index=False).split("\n")
        (tmp_path / "a.csv").write_text("\n".join([head, *(f"{line}," for line in lines if line)]))
        assert last_second(tmp_path / "a.csv") == pytest.approx(TIMES[-1])

    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda table: table.drop(columns="time_seconds"), "has no time column"),
            (lambda table: table.assign(time_seconds=table["time_seconds"][::-1].to_numpy()), "go backwards"),
            (lambda table: table[["time_seconds"]].assign(steps=1), "no signal that could be used"),
            (lambda table: table.head(0), "is not a table of signals"),
            (lambda table: table[::14], "fewer than 8 samples a second"),
        ],
    )
    def test_what_cannot_be_used_is_refused_in_a_sentence(self, tmp_path, change, words):
        table = change(pd.DataFrame({"time_seconds": TIMES, **walk_signals()}))
        with pytest.raises(InputError, match=words):
            read_recording(write(tmp_path / "a.csv", table))

    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda table: table.assign(acc_x_m_s2=0.3), "acc_x_m_s2 never changes"),
            (lambda table: table.assign(acc_x_m_s2=table["acc_x_m_s2"].clip(-1, 1)), "is saturated"),
            (lambda table: table.assign(heart_rate_bpm=0), "heart_rate_bpm is missing"),
            (
                lambda table: table.assign(
                    acc_x_m_s2=table["acc_x_m_s2"].astype(object).where(TIMES > 1, "n/a!")
                ),
                "text",
            ),
            (lambda table: table[(TIMES < 3) | (TIMES > 7)], "gaps"),
            (lambda table: table.assign(time_seconds=table["time_seconds"].where(TIMES != 5.0)), "1 rows"),
        ],
    )
    def test_what_is_left_out_is_told(self, tmp_path, change, words):
        table = change(pd.DataFrame({"time_seconds": TIMES, **walk_signals()}))
        recording = read_recording(write(tmp_path / "a.csv", table))
        assert any(words in note for note in recording.notes), recording.notes
        assert "heart_rate_bpm" not in recording.signals

    def test_few_samples_are_not_saturated(self, tmp_path):
        table = pd.DataFrame({"time_seconds": TIMES, **walk_signals()})[::5].head(35)
        assert not read_recording(write(tmp_path / "a.csv", table)).notes

    def test_bytes_that_are_no_table(self, tmp_path):
        (tmp_path / "a.csv").write_bytes(np.random.default_rng(0).bytes(5000))
        with pytest.raises(InputError):
            read_recording(tmp_path / "a.csv")


class TestSound:
    def test_footsteps_of_drawn_walkers_are_heard(self, walks):
        errors = []
        for number, row in enumerate(walks):
            walk, senses = WalkParameters.from_row(row), SenseParameters(noise_seed=number)
            heard = measure_sound(step_sound(walk, senses, 3.0))
            errors.append(heard["sound_cadence_steps_per_min"] / walk.cadence_steps_per_min - 1)
            assert heard["sound_heel_to_toe_seconds"] == pytest.approx(
                14.4 / walk.cadence_steps_per_min, abs=0.03
            )
        assert np.mean(np.abs(errors) < 0.02) >= 0.95

    def test_footsteps_are_heard_when_heels_come_down(self, walks):
        walk = WalkParameters.from_row(walks[0])
        times = footsteps(step_sound(walk, SenseParameters(), 3.0))[0]
        strikes = heel_strikes(walk, 0.1, 2.9)
        assert np.abs(times[:, None] - strikes).min(axis=0).max() < 0.03

    @pytest.mark.parametrize("kind", ["noise", "music"])
    def test_noise_and_music_are_left_out(self, kind):
        times = np.arange(4 * SOUND_RATE_HZ) / SOUND_RATE_HZ
        noise = 0.1 * np.random.default_rng(0).standard_normal(len(times))
        chords = sum(0.1 * np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330))
        music = chords * (1 + 0.3 * np.sin(2 * np.pi * 2 * times)) + 0.01 * noise
        assert measure_sound((noise if kind == "noise" else music).astype(np.float32)) == {}

    @pytest.mark.parametrize("rate_hz, layout", [(8000, "mono"), (44100, "stereo")])
    def test_any_rate_and_layout(self, tmp_path, walks, rate_hz, layout):
        walk = WalkParameters.from_row(walks[0])
        sound = np.interp(
            np.arange(0, 3, 1 / rate_hz), np.arange(48000) / 16000, step_sound(walk, SenseParameters(), 3)
        )
        write_sound(tmp_path / "a.mp4", sound, rate_hz, layout)
        heard = measure_sound(read_sound(tmp_path / "a.mp4"))
        assert heard["sound_cadence_steps_per_min"] == pytest.approx(walk.cadence_steps_per_min, rel=0.02)

    def test_silence_and_missing_sound_are_told(self, tmp_path, demo_video):
        write_sound(tmp_path / "a.mp4", np.zeros(48000), 16000, "mono")
        with pytest.raises(InputError, match="silent"):
            read_sound(tmp_path / "a.mp4")
        with av.open(str(demo_video)) as source, av.open(str(tmp_path / "b.mp4"), "w") as copy:
            stream = copy.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
        with pytest.raises(InputError, match="has no sound"):
            read_sound(tmp_path / "b.mp4")
        (tmp_path / "c.mp4").write_bytes(b"nothing")
        with pytest.raises(InputError, match="damaged"):
            read_sound(tmp_path / "c.mp4")


def write_sound(path, samples: np.ndarray, rate_hz: int, layout: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate_hz, layout=layout)
        num_channels = 1 if layout == "mono" else 2
        planes = np.tile(samples.astype(np.float32), (num_channels, 1))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class TestBody:
    def test_watches_of_drawn_walkers_count_their_steps(self, walks, tmp_path):
        errors = []
        for number, row in enumerate(walks):
            walk = WalkParameters.from_row(row)
            side = "left" if number % 2 else "right"
            path = write(
                tmp_path / "a.csv", watch_signals(walk, SenseParameters(watch_side=side, noise_seed=number))
            )
            felt = measure_motion(read_recording(path))
            errors.append(felt["motion_cadence_steps_per_min"] / walk.cadence_steps_per_min - 1)
            assert felt["motion_stride_time_cv_percent"] < 4
        assert np.mean(np.abs(errors) < 0.02) >= 0.95

    def test_acceleration_alone_counts_steps_rather_than_strides(self, walks):
        errors = []
        for number, row in enumerate(walks):
            walk = WalkParameters.from_row(row)
            table = watch_signals(walk, SenseParameters(noise_seed=number)).set_index("time_seconds")
            felt = measure_motion(Recording({name: table[name] for name in table.filter(like="acc_")}))
            errors.append(felt["motion_cadence_steps_per_min"] / walk.cadence_steps_per_min - 1)
        assert np.mean(np.abs(errors) < 0.02) >= 0.9

    def test_beats_breath_and_skin_by_neurokit(self, tmp_path):
        import neurokit2

        times = np.arange(60 * 100) / 100
        columns = {
            "time_seconds": times,
            "ecg_mv": neurokit2.ecg_simulate(60, sampling_rate=100, heart_rate=95, random_state=1),
            "eda_us": 2 + neurokit2.eda_simulate(60, sampling_rate=100, scr_number=4, random_state=1),
        }
        values = measure_body(read_recording(write(tmp_path / "a.csv", columns)))
        assert values["heart_rate_mean_bpm"] == pytest.approx(95, abs=2)
        assert 0 < values["heart_rmssd_ms"] < 60 and 5 < values["heart_respiration_per_min"] < 30
        assert values["skin_responses_per_min"] == pytest.approx(4, abs=2)

    def test_every_parameter_has_unit_definition_and_source(self):
        assert not SENSE_PARAMETERS.isna().any(axis=None)
        assert set(SENSE_PARAMETERS["sense"]) == {"sound", "motion", "heart", "skin"}

    def test_the_clock_of_a_watch_is_found(self, tmp_path, walks):
        row = walks[10]
        video, walk = make_walk(tmp_path / "walk", row), WalkParameters.from_row(row)
        senses = SenseParameters(watch_lead_seconds=7.3)
        recording = read_recording(write(tmp_path / "a.csv", watch_signals(walk, senses)))
        shift, similarity = clock_shift(video, recording)
        step_seconds = 60 / walk.cadence_steps_per_min
        off_steps = (shift - 7.3) / step_seconds
        assert similarity > 0.3 and abs(off_steps - round(off_steps)) < 0.35
        late = {name: signal[signal.index > 3] for name, signal in recording.signals.items()}
        assert clock_shift(video, Recording(late))[0] == pytest.approx(shift, abs=0.05)


def told_by(number: int, share: float, rng: np.random.Generator) -> dict[str, float]:
    """Motion that tells an emotion in most walks, sound in fewer, a pulse that tells nothing."""
    return {
        "motion_cadence_steps_per_min": 100 + 12 * number + 6 * rng.standard_normal(),
        "motion_intensity_m_s2": 2 + 0.4 * number + 0.3 * rng.standard_normal(),
        "sound_cadence_steps_per_min": 100 + 12 * number + 12 * rng.standard_normal()
        if share < 0.8
        else np.nan,
        "heart_rate_mean_bpm": 95 + 8 * rng.standard_normal(),
    }


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [
        {
            "video": f"{emotion}/w{walker}",
            "walker": f"w{walker:02d}",
            "emotion": emotion,
            "order": str(1 + order),
        }
        | told_by(number, rng.random(), rng)
        for walker in range(14)
        for order, (number, emotion) in enumerate(rng.permutation(list(enumerate(("happy", "sad")))).tolist())
        for number in [int(number)]
    ]
    return pd.DataFrame(rows)


class TestFusion:
    def test_each_sense_and_all_together_are_scored(self, measured):
        config = make_config(num_resamples=200)
        senses = senses_of(measured)
        assert senses == ["sound", "motion", "heart"]
        judged = judge_senses(measured, senses, config)
        right = {name: one.is_right.mean() for name, one in judged.items()}
        assert right["motion"] > 0.75 and right[TOGETHER] > 0.75 and right["heart"] < 0.7
        assert len(judged["sound"].videos) < len(judged[TOGETHER].videos) == len(measured)
        gains = gain_of_each(measured, senses, config)
        assert gains["motion"].difference > gains["heart"].difference

    def test_missing_senses_are_allowed_in_use(self, measured, tmp_path):
        model = fit_senses(measured, senses_of(measured), make_config())
        model.save(tmp_path / "senses.skops")
        again = load_senses(tmp_path / "senses.skops")
        only = measured.head(2).drop(columns=["motion_cadence_steps_per_min", "motion_intensity_m_s2"])
        said = again.predict(only.assign(sound_cadence_steps_per_min=np.nan))
        assert np.isnan(said["motion"]).all() and np.isfinite(said[TOGETHER]).all()
        np.testing.assert_allclose(said["heart"], model.predict(only)["heart"])

    def test_few_walkers_and_rare_emotions_are_not_scored(self, measured):
        config = make_config(num_resamples=100)
        assert senses_of(measured[measured["walker"] < "w03"]) == []
        is_test = measured["walker"] > "w10"
        only_tested = measured.assign(split=np.where(is_test, "test", "train"))
        assert senses_of(only_tested[is_test | (measured["emotion"] == "sad")]) == []
        few = measured[measured["walker"] < "w04"].reset_index(drop=True)
        judged = judge_senses(few, senses_of(few), config)
        assert len(judged[TOGETHER].videos) == len(few) == 8

    def test_order_that_explains_the_emotion_is_noticed(self, measured):
        config = make_config(num_resamples=500)
        assert not order_leak(measured, config)["is_explained"]
        tied = measured.assign(order=measured["emotion"].map({"happy": "1", "sad": "2"}))
        leak = order_leak(tied, config)
        assert leak["is_explained"] and leak["accuracy"] == 1 and leak["majority"] == 0.5
        assert order_leak(measured.drop(columns="order"), config) == {}


def test_sound_and_recording_of_another_length_are_told(tmp_path, walks):
    row = dict(walks[0], num_frames=2 * walks[0]["num_frames"])
    walk = WalkParameters.from_row(row)
    write_video(row, tmp_path / "a.mp4", step_sound(walk, SenseParameters(), 20.0))
    signals = watch_signals(walk, SenseParameters())
    write(tmp_path / "a.csv", signals[signals["time_seconds"] < 2.5])
    config = make_config(body="silhouette", crop="silhouette")
    values, notes = measure_walk(str(tmp_path / "a.mp4"), str(tmp_path / "a.csv"), config)
    assert any("sound goes on after the picture" in note for note in notes)
    assert any("recording lasts 2 s, the walk" in note for note in notes)
    assert values["sound_cadence_steps_per_min"] == pytest.approx(walk.cadence_steps_per_min, rel=0.02)


def test_what_is_kept_of_a_walk_goes_with_its_name_and_content(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / name, {"steps": [1, 2], "speed": [3, 4]})
    rows = [{"video": name, "path": "", "recording": str(tmp_path / name)} for name in ("a.csv", "b.csv")]
    config = make_config(body="silhouette")
    notes = measure_walks(pd.DataFrame(rows), config)[1]["note"]
    assert [name in note for name, note in zip(("a.csv", "b.csv"), notes, strict=True)] == [True, True]
    write(tmp_path / "a.csv", {"time_seconds": TIMES, **walk_signals()})
    measured, notes = measure_walks(pd.DataFrame(rows), config)
    assert measured["motion_cadence_steps_per_min"].notna().tolist() == [True, False] and len(notes) == 1


def test_folders_of_recordings_alone(tmp_path, walks):
    for row in walks[:6]:
        (folder := tmp_path / row["emotion"]).mkdir(exist_ok=True)
        write(
            folder / f"{row['walker']}_1.csv", watch_signals(WalkParameters.from_row(row), SenseParameters())
        )
    found = find_walks(tmp_path)
    assert set(found["walker"]) == {row["walker"] for row in walks[:6]} and (found["path"] == "").all()
    measured, notes = measure_walks(found, make_config(body="silhouette"))
    assert measured["motion_cadence_steps_per_min"].notna().all() and notes.empty


def test_a_label_file_may_tell_the_order_of_the_walks(tmp_path, walks):
    lines = ["video,emotion,walker,order"]
    for number, row in enumerate(walks[:4]):
        signals = watch_signals(WalkParameters.from_row(row), SenseParameters())
        write(tmp_path / f"{number}.csv", signals)
        lines.append(f"{number}.csv,{row['emotion']},{row['walker']},{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    assert list(find_walks(tmp_path)["order"]) == ["0", "1", "0", "1"]


def test_a_recording_lies_beside_its_video_in_any_case(tmp_path):
    for name in ("happy/ann_1.mp4", "happy/ann_1.CSV", "sad/ann_1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, {"time": TIMES})
    assert [one[-4:] for one in find_walks(tmp_path)["recording"]] == [".CSV", ""]
