"""What people say in the sample shop: phrases for reviews and mentions, questions for its support, its articles."""

# ruff: noqa: E501

from __future__ import annotations

# By language and topic: what contented and discontented people say of it.
GOOD = {
    "en": {
        "delivery": ("It arrived a day early.", "Quick delivery, well tracked.", "The parcel came on time."),
        "quality": ("Beautifully made.", "Sturdy and solid, it feels like it will last.", "Lovely finish, I use it every day."),
        "price": ("Worth every cent.", "Great value for the price.", "Cheaper than elsewhere and better."),
        "packaging": ("Carefully wrapped, without any plastic.", "The packaging was a gift in itself."),
        "service": ("The support answered within an hour.", "Friendly help when I had a question."),
        "": ("I love it.", "Exactly what I was looking for!", "A gift that was loved at once.", "I bought another one."),
    },
    "zh": {
        "delivery": ("物流很快,第二天就到了。", "发货速度快,包裹准时送达。", "快递员态度很好。"),
        "quality": ("质量非常好,做工精细。", "很结实,用起来很舒服。", "手感很好,颜色漂亮。"),
        "price": ("性价比很高,物超所值。", "价格实惠,比实体店便宜。"),
        "packaging": ("包装很用心,没有破损。", "包装精美,送人很合适。"),
        "service": ("客服很耐心,回复及时。", "售后服务让人满意。"),
        "": ("非常喜欢,下次还会再买。", "和描述一样,很满意。", "家人都说好。", "强烈推荐。"),
    },
}  # fmt: skip
BAD = {
    "en": {
        "delivery": ("Delivery took three weeks.", "The parcel was late and nobody told me.", "The courier never came."),
        "quality": ("It broke within a week.", "Thin and flimsy, the seams came apart.", "The handle came off on the first day."),
        "price": ("Far too expensive for what it is.", "Overpriced, a waste of money."),
        "packaging": ("It arrived damaged because the box was far too big.", "Bad packaging, one piece was in shards."),
        "service": ("Nobody answers my e-mails.", "The support was rude and no help at all."),
        "": ("Very disappointed.", "Not what the pictures promise.", "I sent it back.", "I would not buy it again."),
    },
    "zh": {
        "delivery": ("物流太慢了,等了半个月。", "快递一直没送到,很着急。", "发货慢,催了好几次。"),
        "quality": ("质量很差,用了一次就坏了。", "做工粗糙,有异味。", "和图片完全不一样,颜色差很多。"),
        "price": ("太贵了,不值这个价。", "刚买完就降价,很生气。"),
        "packaging": ("包装破损,里面的东西碎了。", "包装太简陋,收到就坏了。"),
        "service": ("客服态度恶劣,不解决问题。", "申请退货一直没人理。"),
        "": ("非常失望,不会再买了。", "差评,不推荐。", "已经退货了。", "上当了。"),
    },
}  # fmt: skip
MIXED = {
    "en": ("Does its job, nothing special.", "Good idea, so-so finish.", "It works, barely.", "Fine for now."),
    "zh": ("一般般,没有想象中好。", "还可以,凑合用。", "中规中矩。"),
}

# Questions of customers by intent. {order} and {product} are filled in.
QUESTIONS = {
    "where_is_my_order": (
        "Where is my order {order}?", "My parcel has not arrived yet, order {order}.", "When will {order} be delivered?",
        "Can you track my package please", "I am still waiting for my delivery", "the tracking has not moved for days",
        "Has my order shipped already?", "how long until my parcel gets here",
    ),
    "return_item": (
        "I would like to return the {product}.", "How do I send something back?", "The {product} does not fit, can I return it?",
        "where do I get a return label", "I want to give back my order {order}", "What is your return address?",
        "can i return a thing i bought two weeks ago", "Please arrange a return for {order}.",
    ),
    "refund_status": (
        "When do I get my money back?", "My refund for {order} has not arrived.", "How long does a refund take?",
        "I returned the {product} and still wait for my refund", "has my refund been processed", "You owe me money for {order}",
        "the refund is not on my card yet", "Please confirm my refund.",
    ),
    "cancel_order": (
        "Please cancel my order {order}.", "I ordered by mistake, can you stop it?", "Cancel the {product} please",
        "I changed my mind and want to cancel", "is it too late to cancel {order}", "stop my order before it ships",
        "I need to cancel one item of my order", "How can I cancel an order?",
    ),
    "change_address": (
        "I moved, please send {order} to my new address.", "How can I change my delivery address?",
        "wrong street on my order, can you correct it", "Please update the shipping address of {order}.",
        "can the parcel go to my office instead", "I typed the wrong house number", "change where my order goes",
        "My address has changed since I ordered.",
    ),
    "payment_problem": (
        "My card was declined.", "The payment does not go through.", "I was charged twice for {order}.",
        "Why can't I pay with my card?", "checkout fails when I pay", "Which ways to pay do you take?",
        "the payment page shows an error", "I paid but the order says unpaid",
    ),
    "product_question": (
        "Is the {product} dishwasher safe?", "What is the {product} made of?", "How big is the {product}?",
        "does the {product} come in another colour", "Can I put the {product} into the oven?", "how heavy is the {product}",
        "Which size of the {product} should I take?", "Is the {product} suitable for outdoors?",
    ),
    "availability": (
        "When will the {product} be back in stock?", "Is the {product} available?", "the {product} is sold out, when does it return",
        "Do you still have the {product}?", "Can I reserve a {product}?", "tell me when the {product} is in stock again",
        "how many of the {product} do you have", "Will you restock the {product}?",
    ),
    "discount_code": (
        "My discount code does not work.", "Do you have a voucher for new customers?", "the coupon is not accepted",
        "Is there a sale soon?", "How do I use a gift card?", "I forgot to enter my promo code on {order}",
        "can I combine two codes", "Do students get a discount?",
    ),
    "damaged_item": (
        "The {product} arrived broken.", "My {product} has a crack.", "one piece in {order} was damaged",
        "The box was crushed and the {product} is scratched.", "I received a faulty {product}",
        "it stopped working after two days", "There are pieces missing in my parcel.", "the {product} came in shards",
    ),
    "talk_to_a_person": (
        "I want to speak to a person.", "Can a human help me?", "connect me with an agent", "Please call me back.",
        "let me talk to customer service", "I do not want to talk to a robot", "is anybody there", "give me your manager",
    ),
}  # fmt: skip

# The shop's own pages: title, text, category.
ARTICLES = (
    ("How long delivery takes", "Parcels leave our warehouse within one working day. Within Germany they arrive after two to three working days, in the rest of Europe after four to six. A link to follow the parcel comes by e-mail when it leaves.", "Delivery"),
    ("What delivery costs", "Delivery costs 4.90 euros. From 50 euros on it is free.", "Delivery"),
    ("How to return something", "You may return everything within 30 days, unused and in its box. Ask us for a return label, put it on the parcel and hand it in at any post office. Returns are free within Germany.", "Returns"),
    ("When you get your money back", "We refund within five working days after a return has reached us, the way you paid. Banks may take two more days to book it.", "Returns"),
    ("Cancelling an order", "An order can be cancelled as long as it has not been packed, usually for two hours. Afterwards please refuse the parcel or send it back.", "Orders"),
    ("Changing the delivery address", "As long as the parcel has not left us we can send it elsewhere: tell us the number of your order and the new address.", "Orders"),
    ("Ways to pay", "We take cards, wallets, bank transfer and invoice. If a card is declined, the bank refused it: please try another way or ask your bank. Nothing is charged twice: a second entry is a reservation that disappears.", "Payment"),
    ("Vouchers and gift cards", "Enter the code in the basket, one code an order. Newcomers get ten percent off their first order when they subscribe to the newsletter.", "Payment"),
    ("If something arrives damaged", "We are sorry! Send us a photo of the piece and of the parcel within 14 days; we send a new one or refund it at once.", "Returns"),
    ("Caring for stoneware and enamel", "Stoneware and enamel are dishwasher safe and may go into the oven up to 220 degrees. Wood should be washed by hand and oiled twice a year.", "Products"),
    ("When sold-out products come back", "On the page of a sold-out product you can leave your e-mail address; we write as soon as it is back. Most return within three weeks.", "Products"),
    ("How to reach us", "Write to us in the chat at any time. On working days from nine to five a person answers within ten minutes.", "Contact"),
)  # fmt: skip
REPLIES = (
    "Thank you for writing, I am looking into it.", "I have taken care of it.", "I am sorry about that; a new one is on its way.",
)  # fmt: skip
