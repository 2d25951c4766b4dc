def test_x(two_runs):
    import time
    print(two_runs[0].root, two_runs[0].output)
