meltano job add north --tasks "tap-warehouse--north target-omnisend--north"
meltano schedule add north-daily --job north --interval "15 5 * * *"
meltano schedule run north-daily
