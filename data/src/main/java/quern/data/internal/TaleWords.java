package quern.data.internal;

import java.util.List;

/** The words the tales are made of. */
final class TaleWords {
    private TaleWords() {}

    private static List<String> words(String list) {
        return List.of(list.strip().split("\\s*,\\s*"));
    }

    static final List<String> GIRLS = words(
            "Clara, Freya, Greta, Ines, Lotte, Nadia, Paula, Ruth, Selma, Vera, Yara, Bella, Ada, Mina, Rosa, Lena, Ivy, Nora, Tilda, Wren, Hazel, Olga, Suri, Petra, Juno, Maud, Zora, Elsa, Kira, Dora");
    static final List<String> BOYS = words(
            "Arlo, Bruno, Casper, David, Elias, Felix, Gustav, Henry, Ivan, Leo, Max, Samir, Tom, Otto, Finn, Hugo, Emil, Sam, Jonas, Milo, Karl, Ravi, Theo, Oskar, Ben, Anton, Luca, Niko, Abel, Pip");
    static final List<String> PEOPLE = words(
            "the librarian, the doctor, the innkeeper, the lighthouse keeper, the blacksmith, the goatherd, the musician, the barber, the stonemason, the shoemaker, the grocer, the old sailor, the judge, the candlemaker, the baker, the miller, the weaver, the shepherd, the fisher, the smith, the carpenter, the teacher, the gardener, the ferryman, the potter, the clockmaker, the postman, the beekeeper, the captain, the cook, the painter, the tailor");
    static final List<String> ANIMALS = words(
            "wolf, bear, magpie, raven, robin, swan, lizard, beetle, rooster, lamb, calf, weasel, turtle, toad, pigeon, seal, fox, hare, badger, otter, hedgehog, crow, owl, mouse, goat, goose, squirrel, frog, donkey, cat, dog, heron, mole, beaver, sparrow, pony");
    static final List<String> NATURES = words(
            "honest, lazy, polite, noisy, thoughtful, generous, stern, nervous, playful, dreamy, modest, greedy, helpful, silent, shy, brave, curious, patient, proud, clever, sleepy, stubborn, gentle, restless, cheerful, careful, hungry, quiet, merry, lonely, tidy, forgetful");
    static final List<String> PLACES = words(
            "a castle with a leaking roof, a caravan that never stayed long, a monastery on a rock, a windmill on the plain, a bakery in a busy street, a tent beside the lake, a ship that had run aground, a school with two rooms, a railway station without trains, a tower full of books, a small village by the sea, a valley full of pine trees, a town with a crooked tower, a farm at the edge of the moor, a house beside the canal, a mill on a slow river, an island with one lighthouse, a hut below the mountain, a street of narrow red houses, a harbour where the boats slept, a garden behind a stone wall, a camp at the edge of the desert, a cottage in the beech wood, an inn at the crossroads");
    static final List<String> SPOTS = words(
            "on the kitchen shelf, under a loose board, beside the haystack, in front of the chapel, behind the waterfall, on the third step, next to the anvil, among the reeds, inside an empty barrel, at the corner of the market, below the window, between the cabbages, under the old oak, behind the barn, beside the well, in the tall grass, near the wooden bridge, at the bottom of the stairs, by the garden gate, on the mill wheel, inside a hollow log, below the market clock, between two grey stones, at the edge of the pond, in the blacksmith's yard, on the lowest branch");
    static final List<String> THINGS = words(
            "copper pan, fishing net, wooden horse, pair of glasses, feather pen, green umbrella, music box, pocket watch, garden spade, bar of soap, wicker basket, sewing needle, tin soldier, broken mirror, hunting horn, bag of seeds, bundle of letters, pearl button, lantern, kettle, whistle, blue scarf, silver key, wooden spoon, paper kite, brass bell, straw hat, small drum, red ribbon, glass marble, clay cup, old map, iron ring, leather ball, woollen sock, toy boat, candle, walking stick");
    static final List<String> WISHES = words(
            "a telescope to look at the moon, a donkey with soft ears, a pond with goldfish, a hat with a feather, a garden full of roses, a bed with a feather mattress, a bicycle with a loud bell, a map of the whole world, a drawer full of chalk, a roof that kept out the rain, a pair of warm boots, a boat with a white sail, a fiddle with four strings, a window that looked at the sea, a book with pictures of stars, a cake with cherries on it, a coat with deep pockets, a swing in the apple tree, a clock that kept good time, a room with a yellow door, a sled for the winter, a kite that flew above the tower");
    static final List<String> GOODS = words(
            "biscuit, cherry pie, radish, pumpkin, melon, fig, pebble, walnut, sausage, herring, lemon, marble, spool, ribbon, apple, pear, plum, egg, button, nut, loaf, carrot, candle, feather, shell, turnip, coin, onion, acorn, bun");
    static final List<String> COLOURS = words("red, green, blue, white, black, yellow, brown, grey, golden, silver");
    static final List<String> FOODS = words(
            "pancakes, smoked fish, lentil stew, fresh cream, pickled cucumbers, gingerbread, hot chocolate, rice pudding, barley broth, walnut bread, fried eggs, grapes and cheese, warm bread, bean soup, honey cakes, roast chestnuts, cold milk, apple pie, cheese and onions, porridge with raisins, plum jam, baked potatoes, mint tea, pea soup");
    static final List<String> TIMES = words(
            "after the first snow, just before supper, on the eve of the fair, during the great flood, at the end of winter, when the swallows returned, on a foggy Thursday, at dawn, shortly after midnight, while the others were asleep, on a windy Friday, one morning, one evening, on the first day of spring, late in the autumn, on market day, before sunrise, on a long summer afternoon, in the middle of the night, on the shortest day of the year, one Sunday, early in the week, when the harvest was over");
    static final List<String> LESSONS = words(
            "that a mended pot still holds water, that no wind blows from one side for ever, that a secret grows heavy, that good tools save long hours, that courage often comes late, that it costs nothing to be polite, that every question has a second answer, that slow work can be fine work, that a kind word travels far, that hunger is a poor adviser, that a small step still goes forward, that asking is quicker than guessing, that patience opens more doors than force, that a friend is worth more than a prize, that the loudest voice is not always right, that a promise is easier made than kept, that it is wise to look twice, that even a short road has a middle, that sharing makes a small meal larger, that the truth is lighter to carry");
    static final List<String> GAMES = words(
            "a sack race, a chess match, a rowing match on the lake, a hunt for a hidden coin, a dance until sunset, a tug of war, a race to the bridge, a game of riddles, a swim across the pond, a climb up the hill, a contest of songs, a jump over the brook");
    static final List<String> ROADS = words(
            "across the frozen marsh, between the hedges, under the long bridge, up the zigzag path, through the narrow gate, beyond the quarry, along the shore, over the drawbridge, through the orchard, toward the setting sun, over the hill, along the river, through the wood, across the wet fields, past the chapel, down the stony lane, around the lake, up the winding stairs");
    static final List<String> SOUNDS = words(
            "a muffled cough, the squeak of a wheel, a burst of laughter, the rustle of paper, a distant trumpet, the drip of water, the flap of wings, a growl, a soft tap, a long whistle, a crack of wood, a low hum, a splash, a bark far away, a creak above, the ringing of a bell");
    static final List<String> FEELINGS_GOOD = words(
            "happy, content, hopeful, relieved, brave, thankful, glad, proud, warm, light, calm, grateful, pleased, cheerful");
    static final List<String> FEELINGS_BAD = words(
            "angry, gloomy, restless, frightened, hungry, bitter, embarrassed, disappointed, sad, cross, tired, worried, ashamed, cold, jealous, afraid");
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
            new Obstacle(
                    "a swarm of wasps",
                    "they guarded the doorway",
                    "smoking branch",
                    "waved the smoking branch until they flew off"),
            new Obstacle(
                    "a maze of hedges",
                    "every turn looked the same",
                    "ball of string",
                    "unrolled the ball of string behind"),
            new Obstacle(
                    "a broken staircase",
                    "seven steps were missing",
                    "pulley",
                    "hung a bucket on the pulley and pulled"),
            new Obstacle(
                    "a proud guard",
                    "nobody passed without a ticket",
                    "drum",
                    "played the drum until the guard began to dance"),
            new Obstacle(
                    "a fallen tree",
                    "its branches filled the whole lane",
                    "saw",
                    "cut the branches with the saw, one by one"),
            new Obstacle("a heavy cart", "its wheel was stuck in the mud", "beam", "pushed the beam under the wheel"));
}
