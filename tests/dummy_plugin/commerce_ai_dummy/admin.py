from django.template.response import TemplateResponse

from commerce_ai.console.pages import page


@page
def board(request):
    return TemplateResponse(request, "dummy/board.html", {"title": "Ratings"})
