"""Floor 6: what a person asks for between runs: add, predict, score, leaderboard, track."""
