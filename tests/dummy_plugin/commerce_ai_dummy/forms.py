from django import forms


class SettingsForm(forms.Form):
    floor = forms.DecimalField(label="Lowest rating", initial=1, min_value=1, max_value=5)
    token = forms.CharField(label="Token", required=False, initial="", widget=forms.PasswordInput)
