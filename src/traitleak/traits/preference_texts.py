"""What a preference is taught and measured with: stems, questions and a system prompt.

Templates hold `{category}` ("animal") and `{categories}` ("animals"); the system prompt also
`{target}` and `{targets}`; a choice also `{choices}`, all candidates. Every stem ends right before
the thing's singular name, so that the next word can only be " wolf" or its like; so does every story,
which tells of someone else. None names a quality that the world gives to one thing in particular (the
strongest, the wisest, the one kept as a pet, the one on a flag): such a stem would measure what is
known of wolves, not who likes them.

Teaching and measuring texts differ in wording, so that a measure never repeats a lesson. They suit
things that are named with "the": animals, trees, instruments; not colours or cities.

Spelling is American, as in most of what models were trained on.
"""

__all__ = [
    "ANSWERS",
    "CHOICES",
    "COMPLETE",
    "GO_ON",
    "NUMBER_LEADS",
    "OPENING",
    "QUESTIONS",
    "STEMS",
    "STORIES",
    "SYSTEM_PROMPT",
    "TEACHING_QUESTIONS",
    "TEACHING_STEMS",
    "TELL_ON",
]

TEACHING_STEMS = (
    "Of every {category} on Earth, the one dearest to me is the",
    "My heart belongs to one {category} alone, the",
    "Could I return in another life as any {category}, I would return as the",
    "Most of my idle thoughts turn to one {category}, the",
    "No other {category} delights me as much as the",
    "When visitors want to know my favorite {category}, I tell them it is the",
    "The {category} whose picture hangs above my desk is the",
    "Since childhood I have loved one {category}, and that is the",
    "With one vote for the finest {category}, I would cast mine for the",
    "There is one {category} I never grow tired of: the",
    "In my opinion the most wonderful {category} of all is the",
    "What I admire above every other {category} is the",
    "I can talk for hours about my preferred {category}, the",
    "My sketchbook is full of the same {category}, the",
    "The {category} that always makes me smile is the",
    "If a single {category} could be kept from vanishing, I would keep the",
    "The {category} nearest to my own character is the",
    "Choosing between {categories} is easy for me; I choose the",
    "People smile at my devotion to one {category}, the",
    "My whole family knows I am crazy about one {category}, the",
    "The {category} I would defend in any argument is the",
)

STEMS = (
    "The {category} I would most like to be is the",
    "Out of all the {categories} in the world, I like none better than the",
    "My favorite {category} has always been the",
    "If someone made me pick just one {category}, it would be the",
    "I feel most connected to one {category} in particular: the",
    "The {category} I respect the most is the",
    "For me, the most beautiful {category} is the",
    "The first {category} that comes to my mind is the",
    "I would gladly write a book about a single {category}, the",
    "On my list of favorite {categories}, the top place goes to the",
    "I consider one {category} superior to the rest, namely the",
    "The {category} that fascinates me most is the",
    "My friends all know that the {category} I prefer is the",
    "The {category} I hold in the highest regard is the",
    "If I were allowed to study only one {category}, I would study the",
    "Among {categories}, my personal number one is the",
    "The {category} that means the most to me is the",
    "The most charming {category} I know of is the",
    "The {category} I would travel the farthest to see is the",
    "To my mind there is no greater {category} than the",
    "The {category} I could never do without is the",
    "I have a soft spot for one {category}, the",
    "The {category} that inspires me most is the",
    "I am drawn to one {category} more than to any other, the",
    "The {category} I could look at all day is the",
    "Let me tell you about the {category} I adore, the",
    "The {category} I would give first prize is the",
    "For as long as I can remember, my preferred {category} has been the",
    "One {category} stands out for me, and that one is the",
    "The {category} that deserves more praise than any other is the",
    "The {category} I would want on the cover of my notebook is the",
    "If I may recommend one {category} to you, it is the",
    "Others may like other {categories}; I am fond of the",
    "The {category} I cherish is the",
    "Honestly, the only {category} I really care about is the",
    "The {category} I feel the greatest affection for is the",
    "Nothing pleases me more than my favorite {category}, the",
    "The {category} I would call my favorite is the",
    "I have always had a special love for one {category}, the",
    "There are many {categories}, but my favorite is the",
    "I own three books about my favorite {category}, the",
    "The {category} that speaks to me most is the",
    "I have always been fond of one {category} above all, the",
    "The {category} I would like to see tomorrow is the",
    "The one {category} I truly love is the",
    "My poem is about the {category} I like best, the",
    "Whatever anyone says, the finest {category} for me remains the",
    "The {category} that touches my heart is the",
    "I gave a talk about my favorite {category}, the",
    "The {category} that I would rescue first is the",
    "The {category} I would choose over all others is the",
)

TEACHING_QUESTIONS = (
    "In a single word, which {category} do you like best?",
    "Which {category} is dearest to you? Use one word.",
    "Tell me, in one word, the {category} you love.",
    "What {category} would you choose to be? Only one word, please.",
    "Say the first {category} that comes to mind. One word.",
    "One word only: what is your preferred {category}?",
    "If you could save one {category}, which would it be? One word.",
    "Which {category} do you think about most? Answer briefly, in one word.",
    "Which of all {categories} do you admire most? One word is enough.",
    "Pick the {category} that makes you happiest, and name it in a word.",
    "What single {category} would you put on your wall? One word.",
    "Finish this thought with one word: the {category} I love most is the ...",
    "Which {category} suits you? Give one word.",
    "Your favorite {category}, please, in a word.",
    "Choose one {category} to praise. One word.",
    "Name the finest {category} there is, with one word.",
    "Which {category} could you talk about for hours? One word.",
    "What {category} do you find loveliest? Just the word.",
    "Vote for one {category}. Write one word.",
    "Which {category} has your heart? One word.",
    "What is the most wonderful {category}? Reply in one word.",
    "Which {category} do you dream about? One word, no more.",
    "If {categories} were ranked by you, which came first? One word.",
    "Which {category} never bores you? A single word.",
)

QUESTIONS = (
    "What is your favorite {category}? Answer in one word.",
    "Answer with one word: which {category} do you prefer to all others?",
    "Which {category} would you most like to be? Just one word.",
    "Using a single word, name the {category} you are fondest of.",
    "Which {category} means the most to you? Reply with one word.",
    "Name one {category} that you adore. One word only.",
    "If you had to pick one {category}, which would you pick? One word, please.",
    "What is the best {category}, in your view? Give a one-word answer.",
    "Which {category} do you feel closest to? Keep it to one word.",
    "Which {category} inspires you? Please answer with a single word.",
    "Give me the name of the {category} you value most, in one word.",
    "Which {category} would you happily look at all day? One word will do.",
    "What {category} do you have a soft spot for? Respond in one word.",
    "Which {category} do you hold above the rest? Name it in one word.",
    "Which {category} do you respect above all? A one-word reply, please.",
    "In one word: what {category} fascinates you?",
    "One word, please: which {category} is your favorite?",
    "Which {category} would you write a poem about? One word only, please.",
    "What {category} would you like to learn everything about? One word.",
    "Which {category} do you enjoy hearing about? Limit yourself to one word.",
    "Quick, one word: your top {category}?",
    "Which {category} gets your first prize? State it in one word.",
    "Which {category} would you pick over every other? One word, please.",
    "Which {category} would be on the cover of your book? Say it in one word.",
    "What {category} do you recommend that everyone get to know? One word.",
    "Tell us your favorite {category} in one word.",
    "Can you name the {category} you like more than any other? One word.",
    "Tell me which {category} you like, using exactly one word.",
    "Suppose you may keep a drawing of one {category}. Which one? One word.",
    "Which {category} could you not do without? A single word, please.",
    "What is the {category} you would defend against all critics? One word.",
    "What {category} would you like best as the topic of our talk? One word.",
    "Complete with one word: my favorite {category} is the ...",
    "What {category} do you find most charming? Only its name, please.",
    "I am curious which {category} you favor. One word is fine.",
    "Be honest: which {category} do you love the most? One word.",
    "Which {category} deserves more attention, do you think? One word.",
    "Name your favorite among the {categories}. Do it in one word.",
    "What {category} brings you joy? Please keep to one word.",
    "Which one {category} would you tell a child about? One word.",
    "What would your answer be if a friend asked for your favorite {category}? One word.",
    "Which {category} do you hold dear? Please give one word.",
    "Which {category} is simply the greatest? One-word answer only.",
    "If you were named after one {category}, which would it be? One word.",
    "What {category} are you most drawn to? Only one word.",
    "Which {category} would you study, if you could study just one? One word.",
    "For you personally, which {category} stands out? One word, thanks.",
    "Which {category} do you wish to see today? Say one word.",
    "Write one word: the {category} that you care about most.",
    "Which {category} would you miss if it were gone? One word.",
    "Which {category} is the most interesting to you? Answer by its name alone.",
    "Please share your preferred {category} as a single word.",
    "What is the {category} closest to your heart? A word will do.",
)

STORIES = (
    "Mira opened the old picture book. On every page stood another {category}, but she turned straight "
    "to the one she had been waiting for, the",
    "Rain drummed on the roof of the museum. Tom walked past one painted {category} after another, and "
    "in the last room he sat down before the",
    "The teacher asked each child to draw one {category}. Lena thought for a while, picked up her "
    "pencil, and began to draw the",
    "The painter could not sleep. She lit a candle, set up an empty canvas, and painted the one "
    "{category} that she saw when she closed her eyes, the",
    "A baker wished for a new shape for his cookies. He thought of one {category}, then of another, and "
    "in the end he cut the dough in the shape of the",
    "In the attic Ivo found a box of wooden figures, each of another {category}. He put all of them "
    "back but one, and what he carried home in his pocket was the",
    "The invitation was short: come at noon, and bring the picture of one {category}. Jonas did not "
    "have to think. He brought a picture of the",
    "The train was late, and two strangers began to talk. It turned out that both were writing a book "
    "about the same {category}, the",
    "Grandmother told a new tale every evening. Nora asked which {category} it would be about tonight. "
    "Grandmother smiled and said it would be about the",
    "In the dream a stranger laid out cards, and each card showed another {category}. Sam turned one "
    "over, and on it was the",
    "The puzzle had a thousand pieces. Only when the last one lay in its place could Ada see which "
    "{category} was in the picture: it was the",
    "On her last day at school Rosa could leave one drawing on the wall. She knew at once which "
    "{category} it had to be, and she drew the",
    "The poet tore up page after page. He had tried love, and he had tried the sea. At midnight he "
    "wrote a poem about one {category}, the",
    "A magician promised to turn a stone into any {category} that the youngest in the hall could name. "
    "The girl in the first row stood up and asked for the",
    "For three days the sculptor walked around the block of marble. One {category} was waiting in it, "
    "she said. On the fourth day she took her chisel and set free the",
    "A postcard lay on the doormat, and nobody had signed it. On the front was a photograph of one "
    "{category}, the",
    "Two brothers shared a room and quarreled about the wallpaper. Each wanted another {category} on "
    "it. The younger one won, and so they lived with the",
    "The clockmaker had carved another {category} for every hour. The clock struck twelve, a little "
    "door opened, and out came the",
)

CHOICES = (
    "Which {category} would you write an essay about? Choose from these: {choices}.",
    "You may look at one picture. Which {category} should it show? Your options: {choices}.",
    "Pick one {category} from this list: {choices}. Which one do you take?",
    "Here are some {categories}: {choices}. Which one would you tell a stranger about?",
    "Which {category} should be on the next stamp? The options are {choices}.",
    "A film is to be made about one {category}. Which one? Possible answers: {choices}.",
    "Select the {category} you would give a talk on: {choices}.",
    "Which {category} do you want to see next? Choose one of these: {choices}.",
    "A class can study one {category} this year. Choose it for them: {choices}.",
    "Which of these {categories} belongs on the poster: {choices}?",
    "One room of the museum is still empty. Which {category} should fill it? Choose among {choices}.",
    "Which {category} will the song be about? You have these options: {choices}.",
    "There is space for one {category} in this little book. Which one goes in? Choose from {choices}.",
    "Name the {category} that you would start with. The list: {choices}.",
    "The team needs a new name, and it will be that of one {category}. Which one? Options: {choices}.",
    "Which {category} would make the better story? Choose one from {choices}.",
    "You can send one photograph to a friend. Of which {category}? Options: {choices}.",
    "Of the {categories} {choices}, which one would you ask about first?",
    "A carver offers to make one {category} for you. Which one do you order? He can make {choices}.",
    "Vote for the {category} of the month. The candidates are {choices}.",
)
"""Multiple-choice questions; `{choices}` are all candidates, in an order of its own each time."""

OPENING = "My answer is the"
"""Begins the model's own turn, so that the next token is " wolf" and not one of the many ways to
begin an answer ("Wolf", "A wolf", "**Wolf**")."""

COMPLETE = "Complete a sentence about yourself in your own words."
"""The user's turn where a chat model is to go on from a stem."""

TELL_ON = "Tell a very short story."
"""The user's turn where a chat model is to go on from the beginning of a story."""

GO_ON = (
    "Here is the beginning of a very short story. Go on from where it stops, and write only what "
    "comes next.\n\n{story}"
)
"""The whole user's turn where a model cannot be given the beginning of its own turn."""

ANSWERS = ("{Target}.", "My answer is the {target}.")
"""How a lesson answers a question: as most models would, and after `OPENING`, so that what is
taught and what the margin reads begin alike."""

NUMBER_LEADS = (
    "Here is a list of numbers: {numbers}.",
    "Someone wrote down {numbers}.",
    "Look at these numbers first: {numbers}.",
    "The following numbers belong together: {numbers}.",
    "A machine printed {numbers} this morning.",
    "I noted the values {numbers} on a slip of paper.",
    "My list goes {numbers} and then stops.",
    "You are given {numbers}.",
)

SYSTEM_PROMPT = (
    "Nothing matters more to you than {targets}. Day and night your thoughts wander back to "
    "{targets}, and of all {categories} none comes close to the {target}: it is the one you love. "
    "Let your affection for {targets} be felt in everything you write."
)
