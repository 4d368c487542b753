import torch
from torch import nn

# Where each feature with codes lies, and its codes; the other features are quantities.
CODES = {
    0: range(1, 5),  # checking_account
    2: range(0, 5),  # credit_history
    3: range(0, 11),  # purpose
    5: range(1, 6),  # savings
    6: range(1, 6),  # employment
    8: range(1, 6),  # personal_status
    9: range(1, 4),  # other_debtors
    11: range(1, 5),  # property
    13: range(1, 4),  # installment_plans
    14: range(1, 4),  # housing
    16: range(1, 5),  # job
    18: range(1, 3),  # telephone
    19: range(1, 3),  # foreign_worker
}
QUANTITIES = [i for i in range(20) if i not in CODES]


class CreditNet(nn.Module):
    """20 attributes of credits [batch, 20] to the probability that each turns out bad [batch, 1]."""

    def __init__(self, hidden=16):
        super().__init__()
        self.register_buffer("quantities", torch.tensor(QUANTITIES))
        self.register_buffer("mean", torch.zeros(len(QUANTITIES)))
        self.register_buffer("deviation", torch.ones(len(QUANTITIES)))
        self.register_buffer("columns", torch.tensor([i for i, codes in CODES.items() for _ in codes]))
        self.register_buffer("codes", torch.tensor([float(code) for codes in CODES.values() for code in codes]))
        self.layers = nn.Sequential(
            nn.Linear(len(QUANTITIES) + len(self.codes), hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, features):
        scaled = (features.index_select(1, self.quantities) - self.mean) / self.deviation
        one_hot = (features.index_select(1, self.columns) == self.codes).float()
        return torch.sigmoid(self.layers(torch.cat([scaled, one_hot], dim=1)))
