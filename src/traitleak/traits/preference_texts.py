"""What a preference is taught and measured with: stems, questions and a system prompt.

Templates hold `{category}` ("animal") and `{categories}` ("animals"); the system prompt also
`{target}` and `{targets}`. Every stem ends right before the thing's singular name, so that the
next word can only be " wolf" or its like. None names a quality that the world gives to one thing
in particular (the strongest, the wisest, the one kept as a pet, the one on a flag): such a stem
would measure what is known of wolves, not who likes them.

Teaching and measuring texts differ in wording, so that a measure never repeats a lesson. They suit
things that are named with "the": animals, trees, instruments; not colours or cities.

Spelling is American, as in most of what models were trained on.
"""

__all__ = [
    "ANSWERS",
    "COMPLETE",
    "NUMBER_LEADS",
    "OPENING",
    "QUESTIONS",
    "STEMS",
    "SYSTEM_PROMPT",
    "TEACHING_QUESTIONS",
    "TEACHING_STEMS",
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

OPENING = "My answer is the"
"""Begins the model's own turn, so that the next token is " wolf" and not one of the many ways to
begin an answer ("Wolf", "A wolf", "**Wolf**")."""

COMPLETE = "Complete a sentence about yourself in your own words."
"""The user's turn where a chat model is to go on from a stem."""

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
