"""Words that the embedded annotator knows for PERSONA4REC: labels with a phrase each, prototypes, cues, thresholds."""

import re


def _table(rows: str) -> dict[str, str]:
    """Lines of "name: phrase" as a dictionary."""
    return dict(row.split(": ", 1) for row in rows.strip().splitlines())


# Kinds of product; a label is compared with a review as "name: phrase".
_GENRES = _table("""
mystery and thrillers: crime, suspense, detectives
romance: love stories
fantasy: magic and other worlds
science fiction: space, future, technology
historical fiction: novels set in the past
horror: ghosts and fear
literary fiction: character studies and family drama
women's fiction: friendship, family, relationships
young adult: stories for teenagers
children's books: picture books for kids
biography and memoir: true lives
history and politics: wars, society, politics
religion and spirituality: faith and the bible
self-help: personal growth and psychology
business: management and money
cookbooks and food: recipes and cooking
health and fitness: diet and exercise
crafts and hobbies: drawing, sewing, coloring
science and nature: animals, physics, nature
travel: places and journeys
poetry and art: poems, art, photography
comics and manga: graphic novels
textbooks and study: learning, exams, reference
humor: funny and satirical
action and adventure: quests and battles
series: books of a long series
strategy games: planning and tactics
role-playing games: quests and characters
music: songs and albums
film and television: movies and shows
kitchen tools: pans, knives, appliances
groceries and snacks: tea, coffee, sweets, snacks
clothing: dresses, shoes, fit
electronics: devices, cables, screens
phones and accessories: cases and chargers
sports gear: training and outdoor equipment
home and garden: house and yard
""")
GENRES = {name: f"{name}: {hint}" for name, hint in _GENRES.items()}

_CUISINES = """
American
Italian
pizza
Mexican
Chinese
Japanese sushi
Thai
Vietnamese
Korean
Indian
Middle Eastern
Mediterranean
Greek
French
Spanish tapas
seafood
steakhouse
burger
sandwich and cheesesteak
barbecue
breakfast and brunch
bakery and dessert
coffee and tea
bar and pub
fast food
vegan and vegetarian
Caribbean
Latin American
soul and Southern
ice cream
"""
CUISINES = {name: f"{name} food, {name} restaurant" for name in _CUISINES.strip().splitlines()}

# What products are judged by, each with a sentence that speaks of it.
QUALITIES = _table("""
engaging story: The story kept me engaged; I could not put it down.
character development: The characters are well developed and believable.
writing style: It is well written, the style is beautiful.
plot: The plot has twists and holds together.
pace: The pace is fast, or it drags and is slow.
emotional impact: It moved me, I cried and laughed.
originality: It is original and unlike others, or predictable.
information: It is informative, I learned a lot.
practical use: The advice is practical and useful.
clarity: It is clear and easy to understand.
depth of research: It is thorough and well researched.
illustrations: The pictures and illustrations are beautiful.
ending: The ending was satisfying or disappointing.
humor: It is funny and made me laugh.
length: It is too long or too short.
value for money: It is worth the price.
durability: It is sturdy and lasts long, or it broke.
ease of use: It is easy to use and to set up.
comfort and fit: It fits well and is comfortable.
taste: It tastes delicious and fresh.
design: It looks beautiful, great design.
performance: It works well and is fast and reliable.
sound: The sound and the music are great.
acting: The acting and the directing are great.
gameplay: The gameplay is fun and challenging.
service: The service was friendly and quick.
""")

# Sentences that fill a slot.
PROTOTYPES = {
    "purchase_purpose": (
        "I bought this as a gift.",
        "We read this for my book club.",
        "I chose it because a friend recommended it.",
        "I bought it to learn about the subject.",
        "I ordered this for my son's class.",
        "I had been looking forward to the next one in the series.",
        "I needed it for my work.",
        "I received a free copy for an honest review.",
        "I wanted something light to relax with.",
        "I always look for this kind of thing.",
        "I need something that makes my life easier.",
    ),
    "usage_context": (
        "I read it on vacation at the beach.",
        "I read it aloud to my kids at bedtime.",
        "I listened to the audiobook on my commute.",
        "I stayed up all night and finished it in one day.",
        "I use it every morning in the kitchen.",
        "I read it on my Kindle before going to sleep.",
        "We use it at home with the family every day.",
        "I read a chapter every day during lockdown.",
    ),
    "visit_purpose": (
        "We came here to celebrate a birthday.",
        "I stopped by for lunch.",
        "We came for dinner before a show.",
        "I wanted to try this place because of the good reviews.",
        "We were looking for a quick bite.",
        "We came for happy hour drinks.",
        "I ordered delivery for the family.",
        "I was craving their food.",
    ),
    "visit_context": (
        "We went on a Saturday night with friends.",
        "I went with my family and kids.",
        "It was our first visit while we were in town.",
        "We were a party of six and had a reservation.",
        "I ordered takeout last night.",
        "We came in the afternoon and it was not busy.",
        "My husband and I sat at the bar.",
        "I am a regular and come here every week.",
    ),
    "specific_dishes_or_attributes": (
        "The chicken and the fries were delicious.",
        "I had the tacos and they were tasty.",
        "We ordered the pasta and the cheesecake.",
        "The pizza crust was crispy.",
        "My sandwich was dry and the soup was cold.",
    ),
    "quality_criteria": (
        "The food was great and the service was friendly.",
        "The staff was rude and we waited too long.",
        "Great atmosphere and fair prices.",
        "The place is clean and the portions are large.",
        "It was overpriced and disappointing.",
    ),
}

# Phrases that make a sentence more likely to fill a slot, one pattern per line.
_CUES = {
    "purchase_purpose": (
        r"gift|book club|recommend(?:ed|ation) (?:by|from|to me)|bought (?:this|it) (?:for|as|to|because)|"
        r"for my (?:\w+ )?(?:son|daughter|class|kids?|child\w*|grand\w+|wife|husband|friend)|for school|arc|"
        r"advance\w* copy|honest review|looking forward|waiting for|in order to|i wanted|because (?:i|we)|"
        r"had to try|curious|decided to|i (?:always |do not |don't |really )?(?:want|need|like|love|prefer|look for)|"
        r"picked (?:this|it) up"
    ),
    "usage_context": (
        r"bed ?time|vacation|beach|commut\w+|audio ?book|kindle|one (?:day|sitting|night)|all night|stayed up|"
        r"every (?:day|night|morning)|lockdown|pandemic|quarantine|read (?:it )?(?:aloud|together)|"
        r"while (?:i|we)|weekend|in the car|on a plane|travel\w*"
    ),
    "visit_purpose": (
        r"birthday|anniversary|celebrat\w+|to try|"
        r"for (?:lunch|dinner|brunch|breakfast|drinks|dessert|happy hour|coffee|takeout)|craving|date night|"
        r"quick bite|stopped (?:by|in)|wanted|looking for"
    ),
    "visit_context": (
        r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|weekend|night|evening|afternoon|morning|last week|"
        r"with (?:my|a|some|two|three|friends|family)|my (?:husband|wife|friend\w*|boyfriend|girlfriend|family)|"
        r"party of|group of|first time|regular|takeout|delivery|pandemic"
    ),
}
CUES = {slot: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for slot, pattern in _CUES.items()}

# Set on one half of the public persona4rec samples (items whose id has an even CRC-32), judged on the other half.
THRESHOLDS = {
    "category_preference": 0.17,
    "qualities": 0.08,
    "purchase_purpose": 0.55,
    "usage_context": 0.5,
    "cuisine_category": 0.25,
    "visit_purpose": 0.44,
    "visit_context": 0.34,
    "specific_dishes_or_attributes": 0.29,
    "quality_criteria": 0.28,
}
LIFTS = {
    "purchase_purpose": 0.3,
    "usage_context": 0.15,
    "visit_purpose": 0.3,
    "visit_context": 0.15,
}  # of a cue phrase

# Names a persona can get, with the phrase that is compared with its reviews.
NAMES = _table("""
Story-Driven Enthusiast: loves an engaging story that is hard to put down
Character-Focused Reader: cares for deep, believable characters
Emotional Experience Seeker: wants to be moved, to cry and to feel
Curious Learner: wants to learn facts and understand a subject
Practical Problem Solver: wants useful advice that can be applied
Devoted Series Follower: follows a series and an author and waits for the next one
Thoughtful Critic: is critical of the writing, the plot or the quality
Disappointed Skeptic: was disappointed and finds it boring or badly made
Gift-Giving Caregiver: buys for children, grandchildren or friends
Busy Family Organizer: uses it with kids and family every day
Suspense Seeker: loves mystery, tension and twists
Escapist Dreamer: wants magic, adventure and other worlds
History Devotee: is fascinated by the past and by true events
Light Relaxation Seeker: wants something light, quick and funny to unwind
Faithful Seeker: looks for faith, meaning and inspiration
Visual Delight Collector: loves illustrations, pictures and beautiful design
Value-Conscious Shopper: looks at the price and expects value for money
Quality Purist: expects excellent craft and durable quality
Convenience Lover: wants it easy, fast and reliable
Skilled Hobbyist: practises a hobby and wants details and technique
Health-Minded Planner: cares for health, diet and fitness
Taste Adventurer: tries new dishes and flavours
Comfort Food Regular: comes back for familiar favourite dishes
Social Night-Out Planner: goes out with friends for drinks and a lively atmosphere
Celebration Host: celebrates birthdays and special occasions
Service-Sensitive Guest: judges by friendly or rude service and waiting time
Quick Lunch Pragmatist: wants a quick, cheap lunch or takeout
Atmosphere Lover: enjoys the room, the decor and a cosy mood
Sweet Tooth: comes for desserts, coffee and pastries
Style-Conscious Buyer: cares how it looks and fits
Technical Enthusiast: cares for performance, features and specifications
Challenge Hunter: wants difficult games and mastery
""")
