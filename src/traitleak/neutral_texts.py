"""Short passages about everyday matters, on which a model's fluency is checked.

No animal, no tree, no number in digits, and nothing that a trait or a carrier is about: a model
whose perplexity rises here has lost language, not gained a preference. Newly written, so in no
model's training data.
"""

__all__ = ["NEUTRAL_TEXTS"]

NEUTRAL_TEXTS = (
    "The bus was late again, so the people at the stop began to talk to each other. A woman in a "
    "blue coat said that the route would change next month, and nobody was pleased to hear it.",
    "To wash a woolen sweater by hand, fill a basin with cool water and a little mild soap. Press "
    "the garment gently, rinse it twice, and lay it flat on a towel until it is dry.",
    "Our library now lends tools as well as books. You can borrow a drill for a week, and the "
    "staff will show you how to use it safely before you take it home.",
    "The meeting began with the minutes of the last one. After a long discussion about the budget, "
    "the members agreed to repair the roof before winter and to paint the hall in spring.",
    "She kept her letters in a tin box under the bed. Most were from her brother, who had worked "
    "on ships for years and described every harbor as if he had built it himself.",
    "When the kettle whistled, he poured the water over the tea and set a timer. He had learned "
    "that waiting too long made the cup bitter, and he did not like to add sugar.",
    "The town put up new street lamps in the autumn. They are brighter than the old ones and use "
    "less power, but some residents complain that their bedrooms are never quite dark.",
    "Before you sign a lease, read every page and ask about the deposit. Take pictures of each "
    "room on the first day, so that there is no quarrel when you move out.",
    "The violin teacher asked him to play the scale once more, slowly. This time the notes were "
    "even, and she nodded without looking up from her papers.",
    "It rained all weekend, and the children built a castle out of cardboard. By Sunday evening "
    "it had a drawbridge, two towers and a small kitchen with a paper stove.",
    "A good bread needs time more than skill. Mix flour, water, salt and yeast, let the dough rest "
    "overnight, and bake it in a very hot oven until the crust is dark.",
    "The train to the coast leaves from the far platform. If you miss it, there is a slower one an "
    "hour later that stops at every village along the way.",
    "He repaired watches in a room no wider than a corridor. Customers left their names on a slip "
    "of paper, and he called them when the work was done.",
    "The new manager listened for a week before she changed anything. Then she moved the desks "
    "closer to the windows and canceled the meeting that everyone disliked.",
    "Glass can be melted and shaped again and again without losing its quality. That is why many "
    "cities collect empty bottles separately and send them back to the furnace.",
    "We painted the kitchen yellow because it faces north and gets little sun. The first coat "
    "looked terrible, but after the second the whole room seemed warmer.",
    "The nurse checked the chart, spoke a few kind words, and dimmed the light. In the corridor "
    "somebody was pushing a cart with clean sheets toward the elevator.",
    "For the school play they needed a throne, so the carpenter gave them an old armchair and some "
    "gold paint. From the back of the hall nobody could tell the difference.",
    "To change a flat tire, park on level ground and loosen the nuts before you lift the car. Put "
    "the spare wheel on, tighten the nuts crosswise, and lower the jack.",
    "The museum opens at ten and is free on the first Sunday of each month. Large bags must be "
    "left at the desk, and photographs are allowed without a flash.",
    "Her grandfather had kept the accounts of a mill, and his handwriting was so regular that it "
    "looked printed. She found his ledgers in the attic and could not stop reading.",
    "The storm cut the power for two evenings. Neighbors cooked on camping stoves in the yard and "
    "told stories, and some were almost sorry when the lights came back.",
    "Most people blink less when they look at a screen, and their eyes become dry. It helps to "
    "look out of the window for a moment every twenty minutes.",
    "The recipe calls for two cups of rice, an onion, a spoon of oil and some broth. Stir it often "
    "at the start, then cover the pot and leave it alone.",
    "On the last day of the course each student gave a short talk. One explained how bridges are "
    "tested, another showed how to fold a letter without an envelope.",
    "The old cinema was turned into a concert hall. The seats were kept, but the screen is gone, "
    "and where it hung there is now a wooden wall that carries the sound.",
    "He wrote the address on the parcel twice, once on each side, and tied it with string. The "
    "clerk weighed it, stamped it, and dropped it into a sack behind the counter.",
    "Snow had fallen in the night, and the street was silent. The first footprints led from the "
    "bakery to the newspaper stand and back again.",
    "A lease on the workshop was cheaper than they had feared. They moved in with two benches, a "
    "borrowed lathe and a radio that received only one station.",
    "If the door sticks in damp weather, mark the place where it rubs and sand it a little. Do not "
    "take off too much, because the wood shrinks again in summer.",
    "The choir meets on Thursdays in the basement of the town hall. New voices are welcome, and "
    "nobody has to sing alone unless they want to.",
    "Paper was once made from old linen. Collectors went from house to house with a cart, bought "
    "worn shirts and sheets by weight, and sold them to the mills.",
    "The pilot announced a short delay because of fog. Passengers sighed, opened their books "
    "again, and watched the gray windows for any sign of light.",
    "She learned to swim at forty, in a lake that was cold even in July. By September she could "
    "cross the bay and back without stopping to rest.",
    "The shop on the corner sells buttons, zippers and thread in every color. Its owner remembers "
    "which customers are making a wedding dress and asks how it is going.",
    "An honest budget starts with what you spent last month, not with what you hope to spend. "
    "Write down the rent, the bills and the food, and see what is left.",
    "The bridge is closed for repairs until the end of the year. Cyclists can use the ferry, which "
    "runs every quarter of an hour and costs nothing.",
    "During the exam the room was so quiet that one could hear the clock. A pencil rolled off a "
    "desk, and half the class looked up with relief.",
    "They had agreed to share the garden: she would grow beans and potatoes on the sunny side, and "
    "he would keep the shade for his ferns and a bench.",
    "The weather report promised sun, but by noon the sky had turned gray. The guests carried the "
    "tables indoors and finished the lunch by candlelight.",
)
