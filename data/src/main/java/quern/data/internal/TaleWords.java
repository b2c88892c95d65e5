package quern.data.internal;

import java.util.List;

/** The words the tales are made of. */
final class TaleWords {
    private TaleWords() {}

    private static List<String> words(String list) {
        return List.of(list.strip().split("\\s*,\\s*"));
    }

    static final List<String> GIRLS = words(
            "Ada, Mina, Rosa, Lena, Ivy, Nora, Tilda, Wren, Hazel, Olga, Suri, Petra, Juno, Maud, Zora, Elsa, Kira, Dora");
    static final List<String> BOYS = words(
            "Tom, Otto, Finn, Hugo, Emil, Sam, Jonas, Milo, Karl, Ravi, Theo, Oskar, Ben, Anton, Luca, Niko, Abel, Pip");
    static final List<String> PEOPLE = words(
            "the baker, the miller, the weaver, the shepherd, the fisher, the smith, the carpenter, the teacher, the gardener, the ferryman, the potter, the clockmaker, the postman, the beekeeper, the captain, the cook, the painter, the tailor");
    static final List<String> ANIMALS = words(
            "fox, hare, badger, otter, hedgehog, crow, owl, mouse, goat, goose, squirrel, frog, donkey, cat, dog, heron, mole, beaver, sparrow, pony");
    static final List<String> NATURES = words(
            "shy, brave, curious, patient, proud, clever, sleepy, stubborn, gentle, restless, cheerful, careful, hungry, quiet, merry, lonely, tidy, forgetful");
    static final List<String> PLACES = words(
            "a small village by the sea, a valley full of pine trees, a town with a crooked tower, a farm at the edge of the moor, a house beside the canal, a mill on a slow river, an island with one lighthouse, a hut below the mountain, a street of narrow red houses, a harbour where the boats slept, a garden behind a stone wall, a camp at the edge of the desert, a cottage in the beech wood, an inn at the crossroads");
    static final List<String> SPOTS = words(
            "under the old oak, behind the barn, beside the well, in the tall grass, near the wooden bridge, at the bottom of the stairs, by the garden gate, on the mill wheel, inside a hollow log, below the market clock, between two grey stones, at the edge of the pond, in the blacksmith's yard, on the lowest branch");
    static final List<String> THINGS = words(
            "lantern, kettle, whistle, blue scarf, silver key, wooden spoon, paper kite, brass bell, straw hat, small drum, red ribbon, glass marble, clay cup, old map, iron ring, leather ball, woollen sock, toy boat, candle, walking stick");
    static final List<String> WISHES = words(
            "a pair of warm boots, a boat with a white sail, a fiddle with four strings, a window that looked at the sea, a book with pictures of stars, a cake with cherries on it, a coat with deep pockets, a swing in the apple tree, a clock that kept good time, a room with a yellow door, a sled for the winter, a kite that flew above the tower");
    static final List<String> GOODS = words(
            "apple, pear, plum, egg, button, nut, loaf, carrot, candle, feather, shell, turnip, coin, onion, acorn, bun");
    static final List<String> COLOURS = words("red, green, blue, white, black, yellow, brown, grey, golden, silver");
    static final List<String> FOODS = words(
            "warm bread, bean soup, honey cakes, roast chestnuts, cold milk, apple pie, cheese and onions, porridge with raisins, plum jam, baked potatoes, mint tea, pea soup");
    static final List<String> TIMES = words(
            "one morning, one evening, on the first day of spring, late in the autumn, on market day, before sunrise, on a long summer afternoon, in the middle of the night, on the shortest day of the year, one Sunday, early in the week, when the harvest was over");
    static final List<String> LESSONS = words(
            "that a small step still goes forward, that asking is quicker than guessing, that patience opens more doors than force, that a friend is worth more than a prize, that the loudest voice is not always right, that a promise is easier made than kept, that it is wise to look twice, that even a short road has a middle, that sharing makes a small meal larger, that the truth is lighter to carry");
    static final List<String> GAMES = words(
            "a race to the bridge, a game of riddles, a swim across the pond, a climb up the hill, a contest of songs, a jump over the brook");
    static final List<String> ROADS = words(
            "over the hill, along the river, through the wood, across the wet fields, past the chapel, down the stony lane, around the lake, up the winding stairs");
    static final List<String> SOUNDS = words(
            "a soft tap, a long whistle, a crack of wood, a low hum, a splash, a bark far away, a creak above, the ringing of a bell");
    static final List<String> FEELINGS_GOOD = words("glad, proud, warm, light, calm, grateful, pleased, cheerful");
    static final List<String> FEELINGS_BAD = words("sad, cross, tired, worried, ashamed, cold, jealous, afraid");
    static final List<String> NUMBERS = words(
            "zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, eighteen, nineteen, twenty");

    /** A weather, what it does, what helps against it, and how it ends. */
    record Weather(String sky, String effect, String remedy, String end) {}

    static final List<Weather> WEATHERS = List.of(
            new Weather("rain fell from a dark sky", "the path turned to mud", "an oiled coat", "the rain stopped"),
            new Weather(
                    "snow covered the roofs", "the road was gone under the snow", "a pair of skis", "the snow melted"),
            new Weather(
                    "a cold wind blew from the north",
                    "the gate banged and the shutters shook",
                    "a thick rope",
                    "the wind went to sleep"),
            new Weather(
                    "fog lay over the fields", "nobody could see ten steps ahead", "a bright lamp", "the fog lifted"),
            new Weather(
                    "the sun burned without a cloud",
                    "the well was almost dry",
                    "a barrel of water",
                    "a cloud brought shade"),
            new Weather(
                    "thunder rolled behind the hills",
                    "the horses hid in the stable",
                    "a calm voice",
                    "the thunder moved away"),
            new Weather("ice shone on the pond", "the boats could not move", "a long iron bar", "the ice broke"),
            new Weather(
                    "a warm breeze smelled of hay",
                    "everybody felt drowsy",
                    "a cup of cold water",
                    "the evening grew cool"));

    /** An obstacle, why it stops the hero, the tool that helps, and how the tool is used. */
    record Obstacle(String what, String why, String tool, String use) {}

    static final List<Obstacle> OBSTACLES = List.of(
            new Obstacle("a wide river", "the bridge had fallen", "plank", "laid the plank from stone to stone"),
            new Obstacle("a locked gate", "the key was lost", "hook", "lifted the latch with the hook"),
            new Obstacle(
                    "a steep cliff",
                    "the rock was smooth and wet",
                    "rope",
                    "tied the rope to a strong root and climbed"),
            new Obstacle(
                    "a hedge of thorns",
                    "the thorns were as long as fingers",
                    "ladder",
                    "leaned the ladder on the hedge and stepped over"),
            new Obstacle(
                    "a sleeping bear",
                    "it lay right across the path",
                    "jar of honey",
                    "left the jar of honey a little way off"),
            new Obstacle("a dark tunnel", "not even the bats could see", "lamp", "lit the lamp and walked slowly"),
            new Obstacle(
                    "an angry goose", "it let nobody pass", "crust of bread", "threw the crust of bread into the pond"),
            new Obstacle("a deep ditch", "the rain had filled it", "pole", "jumped across with the pole"),
            new Obstacle(
                    "a wall without a door",
                    "it was higher than two men",
                    "basket",
                    "turned the basket over and stood on it"),
            new Obstacle("a heavy cart", "its wheel was stuck in the mud", "beam", "pushed the beam under the wheel"));
}
