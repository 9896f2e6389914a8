"""What to do next for one LoadTest: facts and `now` in, actions out. Pure; fetches nothing, changes nothing."""
