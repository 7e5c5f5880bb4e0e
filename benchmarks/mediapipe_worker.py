"""MediaPipe's own keypoints, for `python -m benchmarks`: run by the Python of an environment that has it.

The argument names an array of RGB frames, (num_frames, height, width, 3), uint8. For each number read from
standard input the milliseconds and the 33 keypoints in pixels of that frame are answered, as a line of JSON.
"""

import json
import sys
import time

import mediapipe
import numpy as np

frames = np.load(sys.argv[1], mmap_mode="r")
size = np.array(frames.shape[2:0:-1])
pose = mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False)
print("ready", flush=True)
for line in sys.stdin:
    frame, start = np.ascontiguousarray(frames[int(line)]), time.perf_counter()
    found = pose.process(frame).pose_landmarks
    milliseconds = 1000 * (time.perf_counter() - start)
    points = [(mark.x, mark.y) for mark in found.landmark] if found else []
    print(json.dumps([milliseconds, (np.array(points) * size).tolist() if points else None]), flush=True)
